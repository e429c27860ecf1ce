/** What Prometheus sees of this process, and of the fleet where it is an API. metrics/table.ts lists all of it. */
import { collectDefaultMetrics, Registry } from 'prom-client'
import { createEventLoopLag } from './metrics/event-loop.ts'
import { createFleetExposition, type FleetState } from './metrics/fleet.ts'
import { createInstruments, type Instruments } from './metrics/instruments.ts'
import { API_METRICS, PROCESS_METRICS, WORKER_METRICS } from './metrics/table.ts'
import type { Rhythm } from './tick.ts'

export type ApiMetrics = Instruments<typeof API_METRICS>
export type WorkerMetrics = Instruments<typeof WORKER_METRICS>
export type Metrics = ReturnType<typeof createMetrics>

/** Gauges by another name: Prometheus wants `_total` for counters only. The resources say the same by type. */
const MISNAMED = ['handles', 'requests', 'resources'].map((what) => `alex_nodejs_active_${what}_total`)

/** Ours cost less; `collectDefaultMetrics` cannot leave any out. */
const REPLACED = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map(
  (what) => `alex_nodejs_eventloop_lag_${what}_seconds`,
)
const NEVER_MS = 2 ** 31 - 1

/**
 * A registry of its own with the process's default metrics. `models`: those that are told by name. `rhythm`: that
 * of the process.
 */
export const createMetrics = ({
  version,
  models = [],
  rhythm = { everyS: 1 },
}: {
  version: string
  models?: readonly string[]
  rhythm?: Rhythm
}) => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'alex_', eventLoopMonitoringPrecision: NEVER_MS })
  for (const name of [...MISNAMED, ...REPLACED]) registry.removeSingleMetric(name)
  const lag = createEventLoopLag(registry, rhythm)
  const { buildInfo, ...instruments } = createInstruments(registry, PROCESS_METRICS)
  buildInfo.set({ version }, 1)
  const named = new Set(models)
  /** A label of few values, whatever models tasks ask for. */
  const modelLabel = (model: string) => (named.has(model) ? model : 'other')
  const exposeFleet = createFleetExposition(modelLabel)
  let readFleet: (() => Promise<FleetState>) | undefined
  const refreshing: (() => void)[] = []
  return {
    ...instruments,
    modelLabel,

    /** Call once. */
    ofApi: (): ApiMetrics => createInstruments(registry, API_METRICS),
    /** Call once. */
    ofWorker: (): WorkerMetrics => createInstruments(registry, WORKER_METRICS),

    /** Exports what `read` returns whenever Prometheus asks. Every API tells of the same fleet. */
    observeFleet(read: () => Promise<FleetState>): void {
      readFleet = read
    },

    /** `refresh` sets gauges whenever Prometheus asks. */
    beforeRender(refresh: () => void): void {
      refreshing.push(refresh)
    },

    async render(): Promise<{ contentType: string; text: string }> {
      for (const refresh of refreshing) refresh()
      const own = await registry.metrics()
      lag.reset()
      return {
        contentType: registry.contentType,
        text: own + (readFleet ? exposeFleet(await readFleet()) : ''),
      }
    },
  }
}
