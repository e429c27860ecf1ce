import type { TaskStats, TaskSummary } from '../../client/client.ts'

const STATUSES: readonly TaskSummary['status'][] = [
  'running',
  'waiting',
  'pending',
  'completed',
  'failed',
  'cancelled',
]

/** Which tasks are listed; it stands in the URL. */
export const TaskFilters = ({
  params,
  stats,
  onChange,
}: {
  params: URLSearchParams
  stats: TaskStats | undefined
  onChange: (change: Record<string, string[]>) => void
}) => {
  const chosen = params.getAll('status')
  return (
    <search className="filters" aria-label="Filter tasks">
      <fieldset className="segments">
        <legend className="sr-only">Status</legend>
        <button
          type="button"
          className="segment"
          aria-pressed={chosen.length === 0}
          onClick={() => onChange({ status: [] })}
        >
          All
        </button>
        {STATUSES.map((status) => (
          <button
            key={status}
            type="button"
            className="segment"
            data-status={status}
            aria-pressed={chosen.includes(status)}
            onClick={() =>
              onChange({
                status: chosen.includes(status)
                  ? chosen.filter((each) => each !== status)
                  : [...chosen, status],
              })
            }
          >
            <span className="dot" aria-hidden="true" />
            {status}
            <span className="count">{stats?.[status] ?? ''}</span>
          </button>
        ))}
      </fieldset>
      <div className="filter-texts">
        <input
          type="search"
          className="input"
          aria-label="Text"
          placeholder="Search text"
          value={params.get('q') ?? ''}
          onChange={(event) => onChange({ q: [event.target.value] })}
        />
        <input
          type="text"
          className="input"
          aria-label="Session"
          placeholder="Session id"
          autoComplete="off"
          spellCheck={false}
          value={params.get('session') ?? ''}
          onChange={(event) => onChange({ session: [event.target.value.replaceAll(/[^\w-]/g, '')] })}
        />
      </div>
    </search>
  )
}
