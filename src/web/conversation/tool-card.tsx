import { Fragment, useLayoutEffect, useMemo, useRef } from 'react'
import type { ToolItem } from '../state/items.ts'
import { callTitle } from '../text/call-title.ts'
import { diffCounts, diffLines, isDiff } from '../text/diff.ts'
import { duration } from '../text/format.ts'
import { screenText } from '../text/terminal.ts'
import { Icon, type IconName } from '../ui/icon.tsx'
import { Diff } from './diff.tsx'
import type { Toggle } from './item-view.tsx'

/** One tool call: what was asked, and what came of it. Open while it runs, and when there is something to see. */
export const ToolCard = ({ item, open, onToggle }: { item: ToolItem } & Toggle) => {
  const { result, error } = item
  const running = result === undefined
  const diff = useMemo(
    () => (result !== undefined && isDiff(result) ? diffLines(result) : undefined),
    [result],
  )
  const shown = open ?? (running || error !== undefined || diff !== undefined)
  const state = running ? 'running' : error === undefined ? 'completed' : 'failed'
  const bodyId = `body-${item.key.replaceAll(/[^\w-]/g, '-')}`
  return (
    <div className="tool" data-status={state}>
      <button
        type="button"
        className="tool-head"
        aria-expanded={shown}
        aria-controls={bodyId}
        onClick={() => onToggle(item.key, !shown)}
      >
        <Icon name="chevron" />
        <Icon name={ICONS[item.toolName] ?? 'tool'} />
        <span className="tool-name mono">{item.toolName}</span>
        <span className="tool-title mono">{callTitle(item.arguments)}</span>
        <span className="meta-end">
          {diff && <Counts {...diffCounts(diff)} />}
          {item.interrupted && <span className="warning-text">interrupted</span>}
          {error !== undefined && <span className="bad-text">{error}</span>}
          {running ? (
            <span className="working">running</span>
          ) : (
            <span>{item.durationMs === undefined ? '' : duration(item.durationMs)}</span>
          )}
        </span>
      </button>
      {shown && (
        <div className="tool-body" id={bodyId}>
          <Arguments args={item.arguments} />
          {running && item.output.text !== '' && <Output text={item.output.text} live />}
          {diff && <Diff lines={diff} />}
          {result !== undefined && !diff && result !== '' && <Output text={result} />}
          {item.truncated && <p className="muted">The output is cut.</p>}
        </div>
      )}
    </div>
  )
}

const ICONS: Record<string, IconName> = {
  bash: 'shell',
  code_execute: 'shell',
  file_read: 'file',
  file_write: 'file',
  file_edit: 'file',
  list_files: 'file',
  web_fetch: 'globe',
  web_search: 'globe',
  subagent: 'fork',
}

const Counts = ({ added, removed }: { added: number; removed: number }) => (
  <span className="mono">
    <span className="added-text">+{added}</span> <span className="removed-text">−{removed}</span>
  </span>
)

const Arguments = ({ args }: { args: unknown }) => {
  if (typeof args !== 'object' || args === null) return <pre className="output">{JSON.stringify(args)}</pre>
  const entries = Object.entries(args)
  if (entries.length === 0) return null
  return (
    <dl className="arguments">
      {entries.map(([name, value]) => (
        <Fragment key={name}>
          <dt className="mono">{name}</dt>
          <dd className="mono">{typeof value === 'string' ? value : JSON.stringify(value, null, 1)}</dd>
        </Fragment>
      ))}
    </dl>
  )
}

/** Live output stays at its end, as a terminal does. */
const Output = ({ text, live = false }: { text: string; live?: boolean }) => {
  const box = useRef<HTMLPreElement>(null)
  const shown = useMemo(() => screenText(text), [text])
  useLayoutEffect(() => {
    if (live && shown !== '' && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [shown, live])
  return (
    <pre
      ref={box}
      className="output"
      data-live={live}
      tabIndex={0}
      aria-label={live ? 'Live output' : 'Output'}
    >
      {shown}
    </pre>
  )
}
