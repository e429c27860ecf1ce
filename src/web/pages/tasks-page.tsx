import { useCallback, useDeferredValue, useEffect, useMemo, useState } from 'react'
import { useLocation, useSearchParams } from 'wouter'
import type { TaskFilter, TaskSummary } from '../../client/client.ts'
import { useClient } from '../access.tsx'
import { useShortcuts } from '../state/shortcuts.ts'
import { usePolled } from '../state/use-polled.ts'
import { useSelection } from '../state/use-selection.ts'
import { plural } from '../text/format.ts'
import { Empty, Problem, useTitle } from '../ui/bits.tsx'
import { Composer } from '../ui/composer.tsx'
import { Confirm, type Question } from '../ui/confirm.tsx'
import { Icon } from '../ui/icon.tsx'
import { TaskFilters } from './task-filters.tsx'
import { moveInList, TaskTable } from './task-table.tsx'

const EVERY_MS = 1500
const PAGE = 100
const MOST = 1000
const ACTIVE: readonly TaskSummary['status'][] = ['pending', 'running', 'waiting']

/** All tasks as they are now. The API has no stream over every task, so the list is asked for while it is in sight. */
export const TasksPage = () => {
  useTitle('Tasks')
  const client = useClient()
  const [, go] = useLocation()
  const [params, setParams] = useSearchParams()
  const [limit, setLimit] = useState(PAGE)
  const filter = useMemo(() => filterIn(params), [params])
  // Typing is not held up by the list that follows it.
  const asked = useDeferredValue(filter)

  const load = useCallback(
    async (signal: AbortSignal) => {
      const [page, stats] = await Promise.all([
        client.tasks({ ...asked, limit }, { signal }),
        client.stats({ signal }),
      ])
      return { tasks: page.items, total: page.total, more: page.next !== undefined, stats }
    },
    [client, asked, limit],
  )
  const { data, error, refresh } = usePolled(load, EVERY_MS)
  const tasks = data?.tasks
  const { selected, toggle, setAll, clear } = useSelection(tasks?.map(({ task_id }) => task_id))
  const cancellable = useMemo(
    () => (tasks ?? []).filter((task) => selected.has(task.task_id) && ACTIVE.includes(task.status)),
    [tasks, selected],
  )
  const [question, setQuestion] = useState<Question | null>(null)
  const [outcome, setOutcome] = useState('')

  const askToCancel = useCallback(() => {
    if (cancellable.length === 0) return
    const ids = cancellable.map(({ task_id }) => task_id)
    const cancel = async () => {
      try {
        const { cancelled, skipped } = await client.cancelMany({ task_ids: ids })
        const left = skipped.length === 0 ? '' : `, ${skipped.length} had ended`
        setOutcome(`${plural(cancelled.length, 'task')} cancelled${left}.`)
        clear()
        refresh()
      } catch (failure) {
        setOutcome(failure instanceof Error ? failure.message : String(failure))
      }
    }
    setQuestion({
      title: `Cancel ${plural(ids.length, 'task')}?`,
      text: 'Their commands are stopped; what they have done so far stays.',
      does: `Cancel ${plural(ids.length, 'task')}`,
      act: () => void cancel(),
    })
  }, [cancellable, client, clear, refresh])

  useEffect(() => {
    if (outcome === '') return
    const timer = setTimeout(() => setOutcome(''), 6000)
    return () => clearTimeout(timer)
  }, [outcome])

  useShortcuts(
    useMemo(() => ({ j: () => moveInList(1), k: () => moveInList(-1), c: askToCancel }), [askToCancel]),
  )

  return (
    <div className="page">
      <h1 className="sr-only">Tasks</h1>
      <Composer onSubmitted={({ task_id }) => go(`/tasks/${task_id}`)} />
      <TaskFilters
        params={params}
        stats={data?.stats}
        onChange={(change) => {
          setLimit(PAGE)
          setParams((before) => withChange(before, change), { replace: true })
        }}
      />
      <Problem error={error} />
      <div className="selection-bar" hidden={selected.size === 0}>
        <span>{selected.size} selected</span>
        <button
          type="button"
          className="button danger"
          disabled={cancellable.length === 0}
          onClick={askToCancel}
        >
          <Icon name="stop" />
          Cancel {cancellable.length}
        </button>
        <button type="button" className="button quiet" onClick={clear}>
          Select none
        </button>
      </div>
      <p className="toast" role="status">
        {outcome}
      </p>
      {tasks === undefined && error === undefined && <p className="empty">Looking…</p>}
      {tasks?.length === 0 && (
        <Empty>
          {params.size === 0 ? 'No tasks yet: write the first one above.' : 'No task is like that.'}
        </Empty>
      )}
      {tasks !== undefined && tasks.length > 0 && (
        <TaskTable tasks={tasks} selected={selected} onToggle={toggle} onToggleAll={setAll} />
      )}
      {data?.more && (
        <p className="more">
          <span className="muted">
            {tasks?.length}
            {data.total === undefined ? '' : ` of ${data.total}`} shown
          </span>
          {limit < MOST && (
            <button type="button" className="button" onClick={() => setLimit(Math.min(MOST, limit * 2))}>
              Show more
            </button>
          )}
        </p>
      )}
      <Confirm question={question} onClose={() => setQuestion(null)} />
    </div>
  )
}

const STATUSES: readonly string[] = ['pending', 'running', 'waiting', 'completed', 'failed', 'cancelled']
const isStatus = (text: string): text is TaskSummary['status'] => STATUSES.includes(text)

const filterIn = (params: URLSearchParams): TaskFilter => {
  const status = params.getAll('status').filter(isStatus)
  const session = params.get('session') ?? ''
  const q = params.get('q') ?? ''
  return {
    ...(status.length > 0 && { status }),
    ...(session !== '' && { session_id: session }),
    ...(q !== '' && { q }),
  }
}

const withChange = (before: URLSearchParams, change: Record<string, string[]>): URLSearchParams => {
  const after = new URLSearchParams(before)
  for (const [name, values] of Object.entries(change)) {
    after.delete(name)
    for (const value of values) if (value !== '') after.append(name, value)
  }
  return after
}
