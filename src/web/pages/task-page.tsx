import { type ReactNode, useCallback, useMemo, useState } from 'react'
import { Link, useLocation } from 'wouter'
import { AlexError, type Task } from '../../client/client.ts'
import { useClient } from '../access.tsx'
import { ConversationView } from '../conversation/conversation-view.tsx'
import { FollowingNote } from '../conversation/following-note.tsx'
import type { TaskProgress } from '../state/items.ts'
import { useShortcuts } from '../state/shortcuts.ts'
import { useConversation } from '../state/use-conversation.ts'
import { useNow } from '../state/use-now.ts'
import { usePolled } from '../state/use-polled.ts'
import { cost, duration, tokens } from '../text/format.ts'
import { Ago, Problem, ranFor, StatusBadge, useTitle } from '../ui/bits.tsx'
import { Composer } from '../ui/composer.tsx'
import { Icon } from '../ui/icon.tsx'
import { shortId } from './task-table.tsx'

const EVERY_MS = 2000

/** One task as it works. The events tell what happens; the task itself is asked for what no event says. */
export const TaskPage = ({ id }: { id: string }) => {
  const client = useClient()
  const [, go] = useLocation()
  const { conversation, following } = useConversation(useMemo(() => ({ task: id }), [id]))
  const progress = conversation.tasks.get(id)
  const hasEnded = following.state === 'ended'
  const load = useCallback((signal: AbortSignal) => client.task(id, { signal }), [client, id])
  // An ended task is asked for once more, and then stays.
  const { data: task, error, refresh } = usePolled(load, hasEnded ? null : EVERY_MS)
  const [cancelling, setCancelling] = useState<{ error?: Error } | null>(null)
  const status = statusOf(task, progress)
  const active = status === 'pending' || status === 'running' || status === 'waiting'

  const cancel = useCallback(() => {
    if (!active) return
    setCancelling({})
    client.cancel(id).then(refresh, (failure: unknown) => {
      // It ended before the cancel came.
      if (failure instanceof AlexError && failure.status === 409) return refresh()
      setCancelling({ error: failure instanceof Error ? failure : new Error(String(failure)) })
    })
  }, [active, client, id, refresh])
  useShortcuts(useMemo(() => ({ c: cancel, u: () => go('/') }), [cancel, go]))
  useTitle(task ? firstLine(task.task) : 'Task')

  return (
    <div className="reader">
      <div className="reader-head">
        <div className="title-row">
          <Link href="/" className="button quiet" aria-label="Back to the tasks">
            <Icon name="back" />
          </Link>
          <h1 title={task?.task}>{task ? firstLine(task.task) : 'Task'}</h1>
          {status && <StatusBadge status={status} />}
          {active && (
            <button
              type="button"
              className="button danger"
              disabled={cancelling !== null && cancelling.error === undefined}
              onClick={cancel}
            >
              <Icon name="stop" />
              {cancelling && !cancelling.error ? 'Cancelling…' : 'Cancel'}
            </button>
          )}
        </div>
        {task && <Facts task={task} progress={progress} active={active} />}
        {active && progress !== undefined && progress.maxIterations > 0 && (
          <progress
            className="steps"
            aria-label={`Step ${progress.iteration} of at most ${progress.maxIterations}`}
            value={progress.iteration}
            max={progress.maxIterations}
          />
        )}
        <Problem error={cancelling?.error ?? (task === undefined ? error : undefined)} />
        <FollowingNote following={following} />
      </div>
      <ConversationView conversation={conversation} label="What the task did" of={id} />
      <p className="sr-only" role="status">
        {spoken(status, progress)}
      </p>
      {task && (
        <div className="reader-foot">
          <Composer sessionId={task.session_id} onSubmitted={(created) => go(`/tasks/${created.task_id}`)} />
        </div>
      )}
    </div>
  )
}

const Facts = ({
  task,
  progress,
  active,
}: {
  task: Task
  progress: TaskProgress | undefined
  active: boolean
}) => {
  const now = useNow(active ? 200 : null)
  const spent = progress?.costUsd || (task.usage.cost_usd ?? task.usage.estimated_cost_usd)
  const used = Math.max(progress?.tokens ?? 0, task.usage.total_tokens)
  const took = progress?.durationMs === undefined ? ranFor(task, now) : duration(progress.durationMs)
  return (
    <dl className="facts">
      <Fact name="Session">
        <Link href={`/sessions/${task.session_id}`} className="mono">
          {shortId(task.session_id)}
        </Link>
      </Fact>
      {task.parent_task_id && (
        <Fact name="Part of">
          <Link href={`/tasks/${task.parent_task_id}`} className="mono">
            {task.parent_task_id.slice(0, 13)}…
          </Link>
        </Fact>
      )}
      <Fact name="Step">
        {Math.max(progress?.iteration ?? 0, task.current_iteration)} of {task.max_iterations}
      </Fact>
      <Fact name="Time">{took}</Fact>
      <Fact name="Tokens">
        {tokens(used)}
        {task.max_total_tokens !== undefined && ` of ${tokens(task.max_total_tokens)}`}
      </Fact>
      <Fact name="Cost">
        {spent === undefined ? '–' : cost(spent)}
        {task.max_cost_usd !== undefined && ` of ${cost(task.max_cost_usd)}`}
      </Fact>
      <Fact name="Model">{task.model}</Fact>
      <Fact name="Agent">{task.agent_preset}</Fact>
      <Fact name="Tools">{task.tool_preset}</Fact>
      {(progress?.worker ?? task.worker) && (
        <Fact name="Worker">
          <span className="mono">{progress?.worker ?? task.worker}</span>
        </Fact>
      )}
      <Fact name="Created">
        <Ago at={task.created_at} now={now} />
      </Fact>
    </dl>
  )
}

const Fact = ({ name, children }: { name: string; children: ReactNode }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
)

/** The end is told by whoever knows it first; `waiting` only by the task itself. */
const statusOf = (task: Task | undefined, progress: TaskProgress | undefined): Task['status'] | undefined => {
  if (progress === undefined || progress.status === 'pending') return task?.status ?? progress?.status
  if (progress.status === 'running') return task?.status === 'pending' || !task ? 'running' : task.status
  return progress.status
}

/** For those who hear the page: where it stands, never each token. */
const spoken = (status: Task['status'] | undefined, progress: TaskProgress | undefined): string => {
  if (status === undefined) return ''
  if (status === 'running' && progress)
    return `Running, step ${progress.iteration} of ${progress.maxIterations}`
  return `Task ${status}`
}

const firstLine = (text: string): string => text.trim().split('\n')[0] ?? ''
