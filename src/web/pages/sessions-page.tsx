import { useCallback, useDeferredValue, useMemo, useState } from 'react'
import { Link, useLocation, useSearchParams } from 'wouter'
import { useClient } from '../access.tsx'
import { useShortcuts } from '../state/shortcuts.ts'
import { useNow } from '../state/use-now.ts'
import { usePolled } from '../state/use-polled.ts'
import { useSessionActs } from '../state/use-session-acts.ts'
import { cost } from '../text/format.ts'
import { Ago, Empty, Problem, useTitle } from '../ui/bits.tsx'
import { Confirm } from '../ui/confirm.tsx'
import { Icon } from '../ui/icon.tsx'
import { moveInList, shortId } from './task-table.tsx'

const EVERY_MS = 3000
const PAGE = 100
const MOST = 1000

export const SessionsPage = () => {
  useTitle('Sessions')
  const client = useClient()
  const [, go] = useLocation()
  const [params, setParams] = useSearchParams()
  const [limit, setLimit] = useState(PAGE)
  const q = useDeferredValue(params.get('q') ?? '')
  const load = useCallback(
    async (signal: AbortSignal) => {
      const page = await client.sessions({ limit, ...(q !== '' && { q }) }, { signal })
      return { sessions: page.items, more: page.next !== undefined }
    },
    [client, limit, q],
  )
  const { data, error, refresh } = usePolled(load, EVERY_MS)
  const now = useNow(1000)
  const acts = useSessionActs({ onForked: (id) => go(`/sessions/${id}`), onDeleted: refresh })
  useShortcuts(useMemo(() => ({ j: () => moveInList(1), k: () => moveInList(-1) }), []))
  const sessions = data?.sessions

  return (
    <div className="page">
      <div className="page-head">
        <h1>Sessions</h1>
        <search aria-label="Filter sessions">
          <input
            type="search"
            className="input"
            aria-label="Text"
            placeholder="Search"
            value={params.get('q') ?? ''}
            onChange={(event) =>
              setParams(event.target.value === '' ? {} : { q: event.target.value }, { replace: true })
            }
          />
        </search>
      </div>
      <Problem error={error ?? acts.error} />
      {sessions?.length === 0 && <Empty>{q === '' ? 'No sessions yet.' : 'No session is like that.'}</Empty>}
      {sessions !== undefined && sessions.length > 0 && (
        <table className="table sessions">
          <caption className="sr-only">Sessions, latest activity first</caption>
          <thead>
            <tr>
              <th scope="col">Session</th>
              <th scope="col">Id</th>
              <th scope="col" className="number">
                Tasks
              </th>
              <th scope="col" className="number">
                Cost
              </th>
              <th scope="col" className="number">
                Last used
              </th>
              <th scope="col">
                <span className="sr-only">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {sessions.map((session) => (
              <tr key={session.session_id}>
                <td className="text-cell">
                  <Link href={`/sessions/${session.session_id}`} className="row-link">
                    {session.title || session.session_id}
                  </Link>
                  {session.active_task_id && <span className="chip running">running</span>}
                </td>
                <td className="session-cell mono muted">{shortId(session.session_id)}</td>
                <td className="number" data-label="Tasks">
                  {session.task_count}
                </td>
                <td className="number" data-label="Cost" data-empty={session.cost_usd === undefined}>
                  {session.cost_usd === undefined ? '–' : cost(session.cost_usd)}
                </td>
                <td className="number created-cell">
                  <Ago at={session.updated_at} now={now} />
                </td>
                <td className="acts-cell">
                  <button
                    type="button"
                    className="button quiet"
                    aria-label={`Fork ${session.title}`}
                    title="Fork: a new session that goes on from here"
                    onClick={() => acts.fork(session.session_id)}
                  >
                    <Icon name="fork" />
                  </button>
                  <button
                    type="button"
                    className="button quiet"
                    aria-label={`Delete ${session.title}`}
                    title="Delete"
                    onClick={() => acts.askToDelete(session)}
                  >
                    <Icon name="bin" />
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {data?.more && limit < MOST && (
        <p className="more">
          <button type="button" className="button" onClick={() => setLimit(Math.min(MOST, limit * 2))}>
            Show more
          </button>
        </p>
      )}
      <Confirm question={acts.question} onClose={acts.close} />
    </div>
  )
}
