/** Small parts that several pages use. */
import { type ReactNode, useEffect } from 'react'
import type { TaskSummary } from '../../client/client.ts'
import { ago, duration } from '../text/format.ts'

export const useTitle = (title: string): void => {
  useEffect(() => {
    document.title = `${title} · ALEX`
  }, [title])
}

export const StatusBadge = ({ status }: { status: TaskSummary['status'] }) => (
  <span className="badge" data-status={status}>
    <span className="dot" aria-hidden="true" />
    {status}
  </span>
)

export const Ago = ({ at, now }: { at: string; now: number }) => (
  <time dateTime={at} title={new Date(at).toLocaleString()}>
    {ago(at, now)}
  </time>
)

export const Problem = ({ error }: { error: Error | undefined }) =>
  error === undefined ? null : (
    <p className="banner bad" role="alert">
      {error.message}
    </p>
  )

export const Empty = ({ children }: { children: ReactNode }) => <p className="empty">{children}</p>

/** How long the task has run or ran. */
export const ranFor = (
  task: Pick<TaskSummary, 'duration_ms' | 'started_at' | 'completed_at'>,
  now: number,
): string => {
  if (task.duration_ms !== undefined) return duration(task.duration_ms)
  if (task.started_at === undefined || task.completed_at !== undefined) return '–'
  return duration(Math.max(0, now - Date.parse(task.started_at)))
}
