/** What the fleet says of itself, kept in memory so that health answers while Redis is away. */
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { refusalCode, viaRedis } from '../redis.ts'
import { type ComponentState, WorkerInfo } from '../schemas/health.ts'
import { readRedisSettings } from './redis-state.ts'
import type { ApiAddress, Fleet, FleetSnapshot } from './service.ts'
import type { Store } from './store.ts'

const REFRESH_MS = 1000
const STARTING_MS = 100
/** A worker beats every second; after this long without one it is not alive. */
const ALIVE_MS = 5000
const FORGET_MS = 60_000
const PROBE_MS = 5000

export interface FleetWatch extends Fleet {
  [Symbol.dispose](): void
}

/** `self`: where this API listens, told to the others. */
export const createFleet = (options: { store: Store; log: Log; self?: ApiAddress }): FleetWatch => {
  const { store, log, self } = options
  const { redis, key } = store
  const stopping = new AbortController()
  let now: FleetSnapshot = {
    redis: { up: false, evicts: false, message: 'not reached yet' },
    workers: [],
    apis: [],
    queue: { pending: 0, running: 0, waiting: 0, ready: 0 },
    components: [],
  }

  const nowMs = async () => Number((await redis.time())[0]) * 1000

  const readWorkers = async (at: number): Promise<WorkerInfo[]> => {
    // Beats from a time to come were made before the clock of Redis was set back.
    const [from, to] = [String(at - ALIVE_MS), String(at + ALIVE_MS)]
    const flat = await redis.zrangebyscore(key('workers'), from, to, 'WITHSCORES')
    const beats = flat.flatMap((id, i) => (i % 2 === 0 ? [{ id, beatAt: Number(flat[i + 1]) }] : []))
    const infos = await Promise.all(
      beats.map(async ({ id, beatAt }) => workerInfoOf(await redis.hget(key('worker', id), 'info'), beatAt)),
    )
    return infos.flat()
  }

  const readApis = async (at: number): Promise<ApiAddress[]> => {
    const texts = await redis.zrangebyscore(key('apis'), String(at - ALIVE_MS), String(at + ALIVE_MS))
    return texts.toSorted().map((text) => Address.parse(JSON.parse(text)))
  }

  /** The code with which Redis refuses changes, found by making one. */
  const refusal = async (at: number): Promise<string | undefined> => {
    const changes = redis
      .pipeline()
      .set(key('probe'), '', 'PX', PROBE_MS)
      .zremrangebyscore(key('workers'), String(at + FORGET_MS), '+inf')
      .zremrangebyscore(key('apis'), '-inf', String(at - FORGET_MS))
      .zremrangebyscore(key('apis'), String(at + FORGET_MS), '+inf')
    if (self) changes.zadd(key('apis'), at, JSON.stringify(self))
    const error = (await changes.exec())?.find(([failure]) => failure)?.[0]
    if (!error) return undefined
    const code = refusalCode(error)
    if (code === undefined) throw error
    return code
  }

  /** Once, when it is first seen and whenever it changes. */
  let warned = ''
  const warnOf = (concerns: readonly string[] = []) => {
    const all = concerns.join('; ')
    if (all !== warned && all !== '') log.warn({ concerns }, `[HealthChecker] ${all}`)
    warned = all
  }

  const refresh = async () => {
    const began = performance.now()
    try {
      const at = await nowMs()
      const latency = performance.now() - began
      const [refuses, workers, apis, seen, memory, persistence] = await Promise.all([
        refusal(at),
        readWorkers(at),
        readApis(at),
        store.overview(),
        redis.info('memory'),
        redis.info('persistence'),
      ])
      const settings = readRedisSettings(`${memory}\n${persistence}`)
      warnOf(settings.concerns)
      now = {
        redis: {
          up: true,
          latency_ms: Math.round(latency * 10) / 10,
          ...settings,
          ...(refuses === undefined ? {} : { refuses }),
        },
        workers,
        apis,
        queue: {
          pending: seen.tasks.pending,
          running: seen.tasks.running,
          waiting: seen.tasks.waiting,
          ready: seen.ready,
          ...(seen.oldestPendingMs === undefined ? {} : { oldest_pending_ms: seen.oldestPendingMs }),
          ...(seen.oldestReadyMs === undefined ? {} : { oldest_ready_ms: seen.oldestReadyMs }),
        },
        totals: {
          tasks: seen.tasks,
          sessions: seen.sessions,
          sessions_active: seen.sessionsActive,
          counts: seen.counts,
          costs: [...seen.usageToday].map(([model, { cost_nano = 0, estimated_nano = 0 }]) => ({
            model,
            billed: cost_nano,
            estimated: estimated_nano,
          })),
        },
        components: mergeComponents(workers),
      }
    } catch (error) {
      log.debug({ err: messageOf(error) }, '[HealthChecker] fleet not read')
      now = { ...now, redis: { up: false, evicts: false, message: 'Redis does not answer' } }
    }
  }

  // Nobody should wait a second to be told that the service is up.
  const loop = async () => {
    while (!stopping.signal.aborted) {
      await refresh()
      const wait = now.redis.up && now.workers.length > 0 ? REFRESH_MS : STARTING_MS
      await pause(wait, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }
  void loop()

  return {
    workers: () => viaRedis(nowMs().then(readWorkers)),
    snapshot: () => now,
    [Symbol.dispose]: () => stopping.abort(),
  }
}

const Address = z.object({ host: z.string(), port: z.number() })

/** None of a worker whose release says what this one cannot read. */
const workerInfoOf = (text: string | null, beatAt: number): WorkerInfo[] => {
  const info = WorkerInfo.safeParse(JSON.parse(text ?? 'null'))
  if (!info.success) return []
  const { at, ...rest } = info.data
  return [{ ...rest, ...(at !== undefined && { clock_offset_ms: at - beatAt }) }]
}

const RANK = { not_ready: 0, ready: 1, disabled: 2 } as const

/** The worst state of each component over all workers; the message names the worker where they differ. */
const mergeComponents = (workers: readonly WorkerInfo[]): ComponentState[] => {
  const merged = new Map<string, ComponentState>()
  for (const worker of workers) {
    for (const component of worker.components) {
      const known = merged.get(component.name)
      if (!known || RANK[component.status] < RANK[known.status]) {
        const differs = known !== undefined && workers.length > 1
        merged.set(component.name, {
          ...component,
          message: differs ? `${component.message} on ${worker.worker_id}` : component.message,
        })
      }
    }
  }
  return [...merged.values()]
}
