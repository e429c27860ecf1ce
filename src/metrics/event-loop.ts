/** How late this process's event loop turns. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Gauge, type Registry } from 'prom-client'

/** Every sample wakes the process; prom-client's own, one each 10 ms, are most of what an idle one uses. */
const SAMPLE_MS = 100
const NS = 1e9

type Delays = ReturnType<typeof monitorEventLoopDelay>

const READINGS: Readonly<Record<string, (delays: Delays) => number>> = {
  min: ({ min }) => min,
  max: ({ max }) => max,
  mean: ({ mean }) => mean,
  p50: (delays) => delays.percentile(50),
  p90: (delays) => delays.percentile(90),
  p99: (delays) => delays.percentile(99),
}

/** Gauges `alex_nodejs_eventloop_lag_…_seconds`: over the time since `reset` was called. */
export const createEventLoopLag = (registry: Registry): { reset: () => void } => {
  const delays = monitorEventLoopDelay({ resolution: SAMPLE_MS })
  delays.enable()
  for (const [name, read] of Object.entries(READINGS)) {
    const gauge = new Gauge({
      name: `alex_nodejs_eventloop_lag_${name}_seconds`,
      help: `The ${name} of how much later than planned the event loop turned, since the last scrape.`,
      // What is recorded is the time between two samples.
      collect() {
        this.set(Math.max(0, read(delays) / NS - SAMPLE_MS / 1000))
      },
      registers: [],
    })
    registry.registerMetric(gauge)
  }
  return { reset: () => delays.reset() }
}
