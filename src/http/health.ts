/** The fleet's health as the API tells it: judged from memory, so that it answers while Redis is away. */
import type { Log } from '../log.ts'
import type { ComponentState, Health } from '../schemas/health.ts'
import type { Fleet, FleetSnapshot } from '../tasks/service.ts'

/** Live in the workers; what their heartbeats say of them. */
const WORKER_COMPONENTS = ['llm_factory', 'git_tools', 'mcp']

/** A function that judges the fleet anew each time; a changed status is logged under `[HealthChecker]`. */
export const createHealth = (deps: {
  fleet: Fleet
  redact: (text: string) => string
  log: Log
  version: string
}): (() => Promise<Health>) => {
  let last: Health['status'] | undefined
  return async () => {
    const { status, components } = judge(await deps.fleet.snapshot())
    if (status !== last) {
      const troubled = components.filter((component) => component.status === 'not_ready')
      const fields = {
        status,
        was: last,
        not_ready: troubled.map(({ name, message }) => `${name}: ${message}`),
      }
      deps.log[status === 'healthy' ? 'info' : 'warn'](fields, `[HealthChecker] ${status}`)
      last = status
    }
    return {
      status,
      components: components.map((component) => plain(component, deps.redact)),
      version: deps.version,
      uptime_s: Math.round(process.uptime()),
    }
  }
}

/** `unhealthy`: no task can run. `degraded`: tasks run, something does not. */
export const judge = (fleet: FleetSnapshot): Pick<Health, 'status' | 'components'> => {
  const components = [...workerComponents(fleet), redisState(fleet), queueState(fleet), workersState(fleet)]
  const allReady = components.every((component) => component.status !== 'not_ready')
  const canRun = fleet.redis.up && fleet.redis.refuses === undefined && fleet.workers.length > 0
  return { status: canRun ? (allReady ? 'healthy' : 'degraded') : 'unhealthy', components }
}

/**
 * Why the API should not be sent tasks now. A worker is asked for although the queue would keep a task until one
 * comes: whoever waits for `/health/ready` expects the next task to run.
 */
export const reasonsNotReady = (fleet: FleetSnapshot, draining: boolean): string[] => [
  ...(draining ? ['this process is shutting down'] : []),
  ...(fleet.redis.up ? [] : ['Redis is away']),
  ...(fleet.redis.refuses === undefined ? [] : ['Redis takes no changes']),
  ...(fleet.workers.some((worker) => !worker.draining) ? [] : ['no worker takes tasks']),
]

const workerComponents = ({ components, workers }: FleetSnapshot): ComponentState[] => {
  const why = workers.length === 0 ? 'no worker is alive to report it' : 'no worker reports it'
  const known = WORKER_COMPONENTS.map(
    (name): ComponentState =>
      components.find((component) => component.name === name) ?? { name, status: 'not_ready', message: why },
  )
  return [...known, ...components.filter(({ name }) => !WORKER_COMPONENTS.includes(name))]
}

const redisState = ({ redis }: FleetSnapshot): ComponentState => {
  const name = 'redis'
  if (!redis.up) return { name, status: 'not_ready', message: redis.message ?? 'Redis is away' }
  const { latency_ms, persists, concerns = [] } = redis
  const details = {
    ...((latency_ms !== undefined || persists !== undefined) && {
      details: {
        ...(latency_ms !== undefined && { latency_ms }),
        ...(persists !== undefined && { persists }),
      },
    }),
  }
  if (redis.refuses !== undefined)
    return { name, status: 'not_ready', message: `Redis takes no changes: ${redis.refuses}`, ...details }
  const message = concerns.length === 0 ? 'Redis answers' : concerns.join('; ')
  // Tasks run well without an append-only file, until Redis crashes; while it evicts they vanish unasked.
  return { name, status: redis.evicts ? 'not_ready' : 'ready', message, ...details }
}

const queueState = ({ redis, queue }: FleetSnapshot): ComponentState => {
  if (!redis.up) return { name: 'queue', status: 'not_ready', message: 'unknown while Redis is away' }
  const { pending, running, waiting } = queue
  const message = `${pending} pending, ${running} running, ${waiting} waiting`
  return { name: 'queue', status: 'ready', message, details: { ...queue } }
}

const workersState = ({ workers }: FleetSnapshot): ComponentState => {
  const name = 'workers'
  const details = {
    alive: workers.length,
    slots: workers.reduce((sum, worker) => sum + worker.slots, 0),
    running: workers.reduce((sum, worker) => sum + worker.running.length, 0),
  }
  if (workers.length === 0) return { name, status: 'not_ready', message: 'no worker is alive', details }
  if (workers.every((worker) => worker.draining)) {
    return { name, status: 'not_ready', message: 'every worker is shutting down', details }
  }
  return { name, status: 'ready', message: `${details.alive} alive with ${details.slots} slots`, details }
}

const plain = (component: ComponentState, redact: (text: string) => string): ComponentState => {
  const words = (text: string) => plainWords(redact(text))
  const { message, details } = component
  return { ...component, message: words(message), ...(details && { details: mapStrings(details, words) }) }
}

const mapStrings = (record: object, change: (text: string) => string): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, mapped(value, change)]))

const mapped = (value: unknown, change: (text: string) => string): unknown => {
  if (typeof value === 'string') return change(value)
  if (Array.isArray(value)) return value.map((item) => mapped(item, change))
  return typeof value === 'object' && value !== null ? mapStrings(value, change) : value
}

/** The operations guide's script echoes the answer unquoted: nothing a shell expands, nothing JSON escapes. */
const plainWords = (text: string): string =>
  text
    .replace(/['"`]/g, '')
    .replace(/[^\p{L}\p{N} .,:;()_/+=%@#-]/gu, ' ')
    .replace(/ +/g, ' ')
    .trim()
