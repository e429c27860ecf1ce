/** How late this process's event loop turns. */
import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks'
import { Gauge, type Registry } from 'prom-client'
import { type Rhythm, untilTick } from '../tick.ts'

/**
 * Every sample wakes the process, and one each 10 ms, as prom-client takes them, is most of what an idle one uses.
 * A loop with nothing to do is not late, so it is hardly asked.
 */
const BUSY_SAMPLE_MS = 20
/** Part of the time since the last sample in which the loop had work to do. */
const BUSY = 0.05
const NS_A_MS = 1e6
const NS_A_S = 1e9

const READINGS: Readonly<Record<string, (lags: RecordableHistogram) => number>> = {
  min: ({ min }) => min,
  max: ({ max }) => max,
  mean: ({ mean }) => mean,
  p50: (lags) => lags.percentile(50),
  p90: (lags) => lags.percentile(90),
  p99: (lags) => lags.percentile(99),
}

/**
 * Gauges `alex_nodejs_eventloop_lag_…_seconds`: over the time since `reset` was called. While the process
 * has nothing to do it is looked at with its `rhythm`; in between nothing is seen, unless it lasts so long.
 */
export const createEventLoopLag = (registry: Registry, rhythm: Rhythm): { reset: () => void } => {
  const lags = createHistogram()
  let used = performance.eventLoopUtilization()
  let timer: NodeJS.Timeout
  const sampleIn = (ms: number) => {
    const due = performance.now() + ms
    timer = setTimeout(() => {
      lags.record(Math.max(1, Math.round((performance.now() - due) * NS_A_MS)))
      const before = used
      used = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(used, before)
      sampleIn(utilization > BUSY ? BUSY_SAMPLE_MS : untilTick(rhythm.everyS))
    }, ms)
    timer.unref()
  }
  sampleIn(BUSY_SAMPLE_MS)
  for (const [name, read] of Object.entries(READINGS)) {
    const gauge = new Gauge({
      name: `alex_nodejs_eventloop_lag_${name}_seconds`,
      help: `The ${name} of how much later than planned the event loop turned, since the last scrape.`,
      collect() {
        this.set(lags.count === 0 ? 0 : read(lags) / NS_A_S)
      },
      registers: [],
    })
    registry.registerMetric(gauge)
  }
  return {
    reset() {
      lags.reset()
      // Somebody looks: the process is not at rest any more.
      clearTimeout(timer)
      sampleIn(BUSY_SAMPLE_MS)
    },
  }
}
