import { memo, useMemo } from 'react'
import { Link } from 'wouter'
import type { TaskSummary } from '../../client/client.ts'
import { singleKeysOn } from '../state/shortcuts.ts'
import { useNow } from '../state/use-now.ts'
import { cost, tokens } from '../text/format.ts'
import { Ago, ranFor, StatusBadge } from '../ui/bits.tsx'

/** Columns of figures. */
const NUMBERS = ['Step', 'Tokens', 'Cost', 'Time', 'Created']

export const TaskTable = ({
  tasks,
  selected,
  onToggle,
  onToggleAll,
}: {
  tasks: readonly TaskSummary[]
  selected: ReadonlySet<string>
  onToggle: (id: string) => void
  onToggleAll: (ids: readonly string[]) => void
}) => {
  const now = useNow(1000)
  const all = useMemo(() => tasks.map(({ task_id }) => task_id), [tasks])
  return (
    <table className="table tasks">
      <caption className="sr-only">Tasks</caption>
      <thead>
        <tr>
          <th scope="col" className="select-cell">
            <input
              type="checkbox"
              aria-label="Select all shown"
              checked={selected.size > 0 && selected.size === tasks.length}
              ref={(box) => {
                if (box) box.indeterminate = selected.size > 0 && selected.size < tasks.length
              }}
              onChange={(event) => onToggleAll(event.target.checked ? all : [])}
            />
          </th>
          <th scope="col">Status</th>
          <th scope="col">Task</th>
          <th scope="col">Session</th>
          {NUMBERS.map((name) => (
            <th scope="col" className="number" key={name}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {tasks.map((task) => (
          <TaskRow
            key={task.task_id}
            task={task}
            now={now}
            selected={selected.has(task.task_id)}
            onToggle={onToggle}
          />
        ))}
      </tbody>
    </table>
  )
}

const TaskRow = memo(function TaskRow({
  task,
  now,
  selected,
  onToggle,
}: {
  task: TaskSummary
  now: number
  selected: boolean
  onToggle: (id: string) => void
}) {
  const { task_id: id, usage } = task
  const spent = usage.cost_usd ?? usage.estimated_cost_usd
  return (
    <tr
      data-selected={selected}
      onKeyDown={(event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return
        if (event.key === 'x' && singleKeysOn()) onToggle(id)
      }}
    >
      <td className="select-cell">
        <input
          type="checkbox"
          checked={selected}
          aria-label={`Select ${oneLine(task.task)}`}
          onChange={() => onToggle(id)}
        />
      </td>
      <td className="status-cell">
        <StatusBadge status={task.status} />
      </td>
      <td className="text-cell">
        <Link href={`/tasks/${id}`} className="row-link" title={task.message}>
          {oneLine(task.task)}
        </Link>
        {task.error && <span className="row-note bad-text">{task.error.message}</span>}
        {task.parent_task_id && <span className="chip">subagent</span>}
      </td>
      <td className="session-cell">
        <Link href={`/sessions/${task.session_id}`} className="mono quiet-link">
          {shortId(task.session_id)}
        </Link>
      </td>
      <td className="number step-cell" data-label="Step">
        {task.current_iteration}/{task.max_iterations}
      </td>
      <td className="number tokens-cell" data-label="Tokens">
        {tokens(usage.total_tokens)}
      </td>
      <td className="number cost-cell" data-label="Cost" data-empty={spent === undefined}>
        {spent === undefined ? '–' : cost(spent)}
      </td>
      <td className="number time-cell" data-empty={task.started_at === undefined}>
        {ranFor(task, now)}
      </td>
      <td className="number created-cell">
        <Ago at={task.created_at} now={now} />
      </td>
    </tr>
  )
})

/** The row's link gets the focus, so that Enter opens it. */
export const moveInList = (by: 1 | -1): void => {
  const links = [...document.querySelectorAll<HTMLElement>('.row-link')]
  const at = links.findIndex((link) => link.closest('tr') === document.activeElement?.closest('tr'))
  const next = links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + by))]
  next?.focus()
  next?.scrollIntoView({ block: 'nearest' })
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim()

export const shortId = (id: string): string =>
  /^session-[0-9a-f]{8}-[0-9a-f-]{27}$/.test(id) ? `${id.slice(0, 16)}…` : id
