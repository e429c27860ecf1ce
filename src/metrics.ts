/** What Prometheus sees. Names start with `alex_`, units are base units, every label has few values. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** The part of a fleet's state that is counted; `FleetSnapshot` has it. */
export interface FleetCounts {
  redis: { up: boolean; latency_ms?: number }
  workers: { slots: number; running: unknown[]; draining: boolean }[]
  queue: { pending: number; running: number; waiting: number; oldest_pending_ms?: number }
}

export type Metrics = ReturnType<typeof createMetrics>

/** A registry of its own with the process's default metrics. */
export const createMetrics = ({ version }: { version: string }) => {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry, prefix: 'alex_' })
  const buildInfo = new Gauge({
    name: 'alex_build_info',
    help: 'Always 1.',
    labelNames: ['version'],
    registers,
  })
  buildInfo.set({ version }, 1)
  return {
    httpRequests: new Counter({
      name: 'alex_http_requests_total',
      help: 'HTTP requests answered, by route pattern.',
      labelNames: ['method', 'route', 'status'],
      registers,
    }),
    httpDuration: new Histogram({
      name: 'alex_http_request_duration_seconds',
      help: 'Time until an HTTP answer was ready; long polls included, streams up to their headers.',
      labelNames: ['method', 'route'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers,
    }),
    tasksCreated: new Counter({
      name: 'alex_tasks_created_total',
      help: 'Tasks accepted by this process; replayed answers not counted.',
      registers,
    }),
    cancelsRequested: new Counter({
      name: 'alex_task_cancels_total',
      help: 'Cancellations accepted by this process.',
      registers,
    }),
    /** The event feed counts its open streams here. */
    sseConnections: new Gauge({
      name: 'alex_sse_connections',
      help: 'Event streams open in this process.',
      registers,
    }),

    /** Exports what `read` returns whenever Prometheus asks. Call once. Every process sees the same fleet. */
    observeFleet(read: () => FleetCounts): void {
      for (const { name, help, value } of FLEET_GAUGES) {
        const gauge: Gauge = new Gauge({ name, help, registers: [], collect: () => gauge.set(value(read())) })
        registry.registerMetric(gauge)
      }
      const tasks = new Gauge({
        name: 'alex_tasks',
        help: 'Unfinished tasks of the fleet.',
        labelNames: ['status'],
        registers: [],
        collect() {
          const { pending, running, waiting } = read().queue
          tasks.set({ status: 'pending' }, pending)
          tasks.set({ status: 'running' }, running)
          tasks.set({ status: 'waiting' }, waiting)
        },
      })
      registry.registerMetric(tasks)
    },

    async render(): Promise<{ contentType: string; text: string }> {
      return { contentType: registry.contentType, text: await registry.metrics() }
    },
  }
}

const FLEET_GAUGES: { name: string; help: string; value: (fleet: FleetCounts) => number }[] = [
  {
    name: 'alex_redis_up',
    help: '1 while Redis answers, else 0 and the fleet gauges stand still.',
    value: ({ redis }) => (redis.up ? 1 : 0),
  },
  {
    name: 'alex_redis_latency_seconds',
    help: 'Round trip of the last ping.',
    value: ({ redis }) => (redis.latency_ms ?? 0) / 1000,
  },
  {
    name: 'alex_queue_oldest_pending_seconds',
    help: 'Age of the oldest pending task.',
    value: ({ queue }) => (queue.oldest_pending_ms ?? 0) / 1000,
  },
  { name: 'alex_workers', help: 'Workers alive.', value: ({ workers }) => workers.length },
  {
    name: 'alex_workers_draining',
    help: 'Workers alive that take no new task.',
    value: ({ workers }) => workers.filter((worker) => worker.draining).length,
  },
  {
    name: 'alex_worker_slots',
    help: 'Tasks the workers can run at once.',
    value: ({ workers }) => workers.reduce((sum, worker) => sum + worker.slots, 0),
  },
  {
    name: 'alex_worker_slots_used',
    help: 'Tasks the workers run now.',
    value: ({ workers }) => workers.reduce((sum, worker) => sum + worker.running.length, 0),
  },
]
