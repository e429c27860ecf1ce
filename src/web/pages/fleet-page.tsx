import { useCallback } from 'react'
import { Link } from 'wouter'
import type { Health, WorkerInfo } from '../../client/client.ts'
import { useClient } from '../access.tsx'
import { type FleetSample, useFleetHistory } from '../state/fleet-history.ts'
import { useNow } from '../state/use-now.ts'
import { usePolled } from '../state/use-polled.ts'
import { duration } from '../text/format.ts'
import { Ago, Empty, Problem, useTitle } from '../ui/bits.tsx'
import { Chart } from '../ui/chart.tsx'

const EVERY_MS = 2000

export const FleetPage = () => {
  useTitle('Fleet')
  const client = useClient()
  const load = useCallback((signal: AbortSignal) => client.workers({ signal }), [client])
  const { data: workers, error } = usePolled(load, EVERY_MS)
  const { health, samples } = useFleetHistory()
  const now = useNow(1000)
  return (
    <div className="page">
      <div className="page-head">
        <h1>Fleet</h1>
        {health && (
          <span className="muted">
            {health.status} · version {health.version} · API up {duration(health.uptime_s * 1000)}
          </span>
        )}
      </div>
      <Problem error={error} />
      <Charts samples={samples} />
      <section aria-labelledby="components">
        <h2 id="components">Components</h2>
        <ul className="components">
          {health?.components.map((component) => (
            <Component key={component.name} component={component} />
          ))}
        </ul>
      </section>
      <section aria-labelledby="workers">
        <h2 id="workers">Workers</h2>
        {workers?.length === 0 && <Empty>No worker is alive: tasks wait until one is.</Empty>}
        <div className="workers">
          {workers?.map((worker) => (
            <Worker key={worker.worker_id} worker={worker} now={now} />
          ))}
        </div>
      </section>
    </div>
  )
}

const Charts = ({ samples }: { samples: readonly FleetSample[] }) => (
  <div className="charts">
    <Chart
      title="Queue depth"
      unit="pending"
      points={samples.map(({ at, pending }) => ({ at, value: pending }))}
      format={String}
    />
    <Chart
      title="Running"
      unit="tasks"
      points={samples.map(({ at, running }) => ({ at, value: running }))}
      format={String}
    />
    <Chart
      title="Wait"
      unit="oldest pending"
      points={samples.map(({ at, wait }) => ({ at, value: wait }))}
      format={duration}
    />
  </div>
)

const Component = ({ component }: { component: Health['components'][number] }) => (
  <li className="component" data-status={component.status}>
    <span className="dot" aria-hidden="true" />
    <div>
      <strong>{component.name}</strong> <span className="muted">{component.status.replace('_', ' ')}</span>
      <p>{component.message}</p>
    </div>
  </li>
)

const Worker = ({ worker, now }: { worker: WorkerInfo; now: number }) => {
  const { running, slots } = worker
  return (
    <article className="worker" aria-label={`Worker ${worker.worker_id}`}>
      <header>
        <h3 className="mono">{worker.worker_id}</h3>
        {worker.draining && <span className="chip warning">leaving</span>}
      </header>
      <p className="muted">
        {worker.host} · pid {worker.pid} · port {worker.port} · version {worker.version} · started{' '}
        <Ago at={worker.started_at} now={now} />
      </p>
      <label className="slots">
        <span>
          {running.length} of {slots} slots
        </span>
        <meter value={running.length} max={slots} />
      </label>
      <ul className="components small">
        {worker.components.map((component) => (
          <Component key={component.name} component={component} />
        ))}
      </ul>
      {running.length > 0 && (
        <ul className="running-tasks" aria-label="Running tasks">
          {running.map((id) => (
            <li key={id}>
              <Link href={`/tasks/${id}`} className="mono">
                {id}
              </Link>
            </li>
          ))}
        </ul>
      )}
    </article>
  )
}
