import { memo } from 'react'
import { Link } from 'wouter'
import type { EndItem, Item, NoteItem, PromptItem, StepItem } from '../state/items.ts'
import { cost, duration, plural, tokens } from '../text/format.ts'
import { Icon } from '../ui/icon.tsx'
import { RichText } from './rich-text.tsx'
import { ToolCard } from './tool-card.tsx'

export interface Toggle {
  /** Undefined until somebody has chosen. */
  open: boolean | undefined
  onToggle: (key: string, open: boolean) => void
}

export const ItemView = memo(function ItemView({
  item,
  linkTask,
  ...toggle
}: { item: Item; linkTask: boolean } & Toggle) {
  switch (item.kind) {
    case 'prompt':
      return <Prompt item={item} linkTask={linkTask} />
    case 'step':
      return <Step item={item} />
    case 'tool':
      return <ToolCard item={item} {...toggle} />
    case 'note':
      return <Note item={item} />
    case 'end':
      return <End item={item} />
  }
})

const Prompt = ({ item, linkTask }: { item: PromptItem; linkTask: boolean }) => (
  <div className="prompt">
    <div className="item-meta">
      <span className="who">Task</span>
      <span className="meta-end">
        <time dateTime={item.at}>{new Date(item.at).toLocaleTimeString()}</time>
        {linkTask && (
          <Link href={`/tasks/${item.taskId}`} aria-label="Open this task alone">
            Open
          </Link>
        )}
      </span>
    </div>
    <div className="prompt-text">{item.text}</div>
  </div>
)

const Step = ({ item }: { item: StepItem }) => {
  const { answer, live } = item
  return (
    <div className="step" data-live={live}>
      <div className="item-meta">
        <span className="who">
          Step {item.iteration}
          <span className="muted"> of {item.maxIterations}</span>
        </span>
        <span className="meta-end">
          {live ? (
            <span className="working">{answer.text === '' ? 'thinking' : 'writing'}</span>
          ) : (
            <Spent of={item} />
          )}
        </span>
      </div>
      {answer.text.trim() !== '' && <RichText text={answer.text} live={live} />}
    </div>
  )
}

/** Of a step or of a whole task. */
const Spent = ({ of }: { of: Pick<StepItem, 'model' | 'tokens' | 'costUsd' | 'durationMs'> }) => (
  <>
    {of.model !== undefined && <span className="model">{of.model}</span>}
    {of.tokens !== undefined && <span>{tokens(of.tokens)} tokens</span>}
    {of.costUsd !== undefined && <span>{cost(of.costUsd)}</span>}
    {of.durationMs !== undefined && <span>{duration(of.durationMs)}</span>}
  </>
)

const Note = ({ item }: { item: NoteItem }) => (
  <div className="note" data-tone={item.tone}>
    <p>{item.text}</p>
    {item.detail && (
      <details>
        <summary>What was left out, in short</summary>
        <div className="plain">{item.detail}</div>
      </details>
    )}
  </div>
)

const End = ({ item }: { item: EndItem }) => (
  <div className="end" data-status={item.outcome}>
    {item.answer !== undefined && item.answer.trim() !== '' && <RichText text={item.answer} live={false} />}
    <p className="end-line">
      <Icon name={item.outcome === 'completed' ? 'check' : 'cross'} />
      <strong>{END_WORDS[item.outcome]}</strong>
      {item.text !== 'Completed' && <span>{item.text}</span>}
      <span className="meta-end">
        <span>{plural(item.iterations, 'step')}</span>
        <Spent of={item} />
      </span>
    </p>
  </div>
)

const END_WORDS = { completed: 'Completed', failed: 'Failed', cancelled: 'Cancelled' }
