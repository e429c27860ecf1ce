/** What the fleet says of itself, kept in memory so that health answers while Redis is away. */
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { refusalCode } from '../redis.ts'
import { type ComponentState, WorkerInfo } from '../schemas/health.ts'
import { IDLE_S, type Rhythm, tick } from '../tick.ts'
import type { Overview } from './reads.ts'
import { readRedisSettings } from './redis-state.ts'
import type { ApiAddress, Fleet, FleetSnapshot } from './service.ts'
import type { Store } from './store.ts'

/** So long after somebody asked, more are expected to, and the answer is kept fresh for them. */
const ASKED_MS = 10_000
/** For who asks then. After that the answer is what was known before. */
const WAIT_MS = 500
/** For the beats of workers at rest; a part of that. */
const BEATS_MS = 200
const BEATS_LOOK_MS = 10
/** Nobody should wait a second to be told that the service is up, and all of it. */
const STARTING_MS = 100
/** After that, what is not ready is not just starting. */
const STARTED_AFTER_MS = 15_000
/** How Redis is set and how full it is changes slowly, and INFO is the largest of all replies. */
const SETTINGS_MS = 5000
const UNASKED_SETTINGS_MS = 60_000

export interface FleetWatch extends Fleet {
  [Symbol.dispose](): void
}

/** `self`: where this API listens, told to the others. `askedMs`: for so long an ask keeps the answer fresh. */
export const createFleet = (options: {
  store: Store
  log: Log
  self?: ApiAddress
  askedMs?: number
  rhythm?: Rhythm
}): FleetWatch => {
  const { store, log, self, askedMs = ASKED_MS, rhythm = { everyS: 1 } } = options
  const { redis } = store
  const address = self && JSON.stringify(self)
  let now: FleetSnapshot = {
    redis: { up: false, evicts: false, message: 'not reached yet' },
    workers: [],
    apis: [],
    queue: { pending: 0, running: 0, waiting: 0, ready: 0 },
    components: [],
  }

  /** Once, when it is first seen and whenever it changes. */
  let warned = ''
  const warnOf = (concerns: readonly string[] = []) => {
    const all = concerns.join('; ')
    if (all !== warned && all !== '') log.warn({ concerns }, `[HealthChecker] ${all}`)
    warned = all
  }

  let settings = readRedisSettings('')
  let settingsAt = Number.NEGATIVE_INFINITY
  const refreshSettings = async () => {
    if (performance.now() - settingsAt < (isAsked() ? SETTINGS_MS : UNASKED_SETTINGS_MS)) return
    const info = await Promise.all([redis.info('memory'), redis.info('persistence')])
    settings = readRedisSettings(info.join('\n'))
    settingsAt = performance.now()
    warnOf(settings.concerns)
  }

  /** Workers at rest were asked for a beat, which takes moments; of one that is gone none comes. */
  const afterBeats = async (first: Overview): Promise<Overview> => {
    let seen = first
    for (let left = BEATS_MS / BEATS_LOOK_MS; first.called && left > 0; left -= 1) {
      await pause(BEATS_LOOK_MS)
      seen = await store.overview(address)
      if (seen.workers.every(({ beatAt }) => beatAt >= first.at)) break
    }
    return seen
  }

  const refreshOnce = async (asked: boolean) => {
    const began = performance.now()
    try {
      const [first] = await Promise.all([store.overview(address, asked), refreshSettings()])
      const latency = performance.now() - began
      const seen = await afterBeats(first)
      const refuses = seen.refused === undefined ? undefined : codeOf(seen.refused)
      const workers = workersOf(seen)
      now = {
        redis: {
          up: true,
          latency_ms: Math.round(latency * 10) / 10,
          ...settings,
          ...(refuses === undefined ? {} : { refuses }),
        },
        workers,
        apis: seen.apis.toSorted().map((text) => Address.parse(JSON.parse(text))),
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
      settingsAt = Number.NEGATIVE_INFINITY
      now = { ...now, redis: { up: false, evicts: false, message: 'Redis does not answer' } }
    }
  }

  let refreshing: Promise<void> | undefined
  /** Reads, or joins the reading under way. */
  const refresh = (asked = isAsked()): Promise<void> => {
    refreshing ??= refreshOnce(asked).finally(() => {
      refreshing = undefined
    })
    return refreshing
  }

  /** One under way may not have asked workers for a beat. */
  const refreshAsked = async () => {
    await refreshing
    await refresh(true)
  }

  const startedAt = performance.now()
  const isStarting = () =>
    !now.redis.up ||
    now.workers.length === 0 ||
    (now.components.some(({ status }) => status === 'not_ready') &&
      performance.now() - startedAt < STARTED_AFTER_MS)
  let askedAt = startedAt
  const isAsked = () => performance.now() - askedAt < askedMs
  let stopped = false
  let sleeping = new AbortController()
  const loop = async () => {
    for (;;) {
      await refresh()
      if (stopped) return
      sleeping = new AbortController()
      const { signal } = sleeping
      rhythm.everyS = isAsked() ? 1 : IDLE_S
      if (!isAsked() || !isStarting()) await tick(rhythm.everyS, signal)
      else await pause(STARTING_MS, undefined, { signal }).catch(() => {})
    }
  }
  void loop()

  return {
    workers: async () => workersOf(await afterBeats(await store.overview(address, true))),
    async snapshot() {
      const isFirst = !isAsked()
      askedAt = performance.now()
      if (isFirst) {
        sleeping.abort()
        await Promise.race([refreshAsked(), pause(WAIT_MS, undefined, { ref: false })])
      }
      return now
    },
    [Symbol.dispose]() {
      stopped = true
      sleeping.abort()
    },
  }
}

const Address = z.object({ host: z.string(), port: z.number() })

/** Without those whose release says what this one cannot read. */
const workersOf = ({ workers }: Overview): WorkerInfo[] =>
  workers.flatMap(({ info: text, beatAt }) => {
    const info = WorkerInfo.safeParse(JSON.parse(text || 'null'))
    if (!info.success) return []
    const { at, ...rest } = info.data
    return [{ ...rest, ...(at !== undefined && { clock_offset_ms: at - beatAt }) }]
  })

const codeOf = (refused: string): string => {
  const code = refusalCode(refused)
  if (code === undefined) throw new Error(refused)
  return code
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
