/** Breaks things by seed: a timeline of faults, each done to one member of the fleet or to Redis. */
import { setTimeout as pause } from 'node:timers/promises'
import type { RedisServer } from '../support/redis-server.ts'
import type { Client } from './client.ts'
import type { Fleet, Member } from './fleet.ts'
import type { Fault, FaultKind } from './history.ts'
import type { ModelServer } from './model-server.ts'
import type { Failpoint } from './proxy.ts'
import type { Random } from './random.ts'
import type { Settings } from './settings.ts'

interface Options {
  settings: Settings
  random: Random
  fleet: Fleet
  redis: RedisServer
  model: ModelServer
  client: Client
  startedAt: number
  ending: AbortSignal
}

/** How often a minute, and how often at least in a run of whatever length. */
const RATES: Record<FaultKind, { perMinute: number; atLeast: number }> = {
  kill_worker: { perMinute: 6.5, atLeast: 4 },
  kill_api: { perMinute: 1.5, atLeast: 1 },
  stop_worker: { perMinute: 1.1, atLeast: 2 },
  drain_worker: { perMinute: 2, atLeast: 2 },
  kill_redis: { perMinute: 0.6, atLeast: 1 },
  cut: { perMinute: 3, atLeast: 2 },
  cut_reply: { perMinute: 6, atLeast: 4 },
  delay: { perMinute: 1.5, atLeast: 1 },
  half_open: { perMinute: 1, atLeast: 1 },
  blackhole: { perMinute: 0.5, atLeast: 1 },
}

/** Windows in which a worker is killed: around its scripts, so between them and whatever comes next. */
const WORKER_POINTS: readonly Pick<Failpoint, 'script' | 'when'>[] = [
  { script: 'begin', when: 'before' },
  { script: 'begin', when: 'after' },
  { script: 'append', when: 'before' },
  { script: 'append', when: 'after' },
  { script: 'delegate', when: 'before' },
  { script: 'delegate', when: 'after' },
  { script: 'finish', when: 'before' },
  { script: 'finish', when: 'after' },
  { script: 'beat', when: 'after' },
]

/** What is left of its sleep when a worker is frozen: so much longer than that is the lease at most. */
const SLEEPS_MS = 4500
const FIRST_MS = 3000
/** Of the run; the rest is for what was broken to come right again. */
const BREAKING = 0.9

export const createFaults = (options: Options) => {
  const { settings, random, fleet, redis, model, client, startedAt, ending } = options
  const faults: Fault[] = []
  const running = new Set<Promise<void>>()
  let stopped: Member | undefined

  const note = (kind: FaultKind, target: string, point?: string): Fault => {
    const fault: Fault = { kind, target, at: Date.now(), ...(point === undefined ? {} : { point }) }
    faults.push(fault)
    return fault
  }
  const over = (fault: Fault) => {
    fault.until = Date.now()
  }
  const wait = (ms: number) => pause(ms, undefined, { signal: ending }).catch(() => {})

  const kill = async (kind: 'kill_worker' | 'kill_api', member: Member, point?: string) => {
    const { name, signal, ended } = member.current()
    note(kind, name, point)
    signal('SIGKILL')
    await ended
  }

  /** Kills the member when this script passes next; disarmed when none comes in time. */
  const killAt = async (
    kind: 'kill_worker' | 'kill_api',
    member: Member,
    point: Pick<Failpoint, 'script' | 'when'>,
  ) => {
    const { promise: struck, resolve } = Promise.withResolvers<void>()
    member.proxy.arm({
      ...point,
      async act() {
        await kill(kind, member, `${point.when} ${point.script}`)
        resolve()
        return 'drop'
      },
    })
    await Promise.race([struck, wait(8000)])
    member.proxy.arm(null)
  }

  /** A cancel that arrives between the worker's `finish` and Redis. */
  const cancelAtFinish = async (member: Member) => {
    member.proxy.arm({
      script: 'finish',
      when: 'before',
      async act([taskId = '']) {
        await client.cancel(taskId)
        return 'pass'
      },
    })
    await wait(4000)
    member.proxy.arm(null)
  }

  const drain = async (member: Member) => {
    const { name, signal, ended } = member.current()
    // Sometimes the leaving worker dies between `release` and the ticket it gave.
    if (settings.only.includes('kill_worker') && random.chance(0.3))
      void killAt('kill_worker', member, { script: 'release', when: 'after' })
    const fault = note('drain_worker', name)
    signal('SIGTERM')
    await ended
    over(fault)
  }

  /** Freezes a worker while its command sleeps, for longer than its lease: the command must never act. */
  const stop = async (otherwise: Member) => {
    if (stopped) return
    stopped = otherwise
    for (let tries = 0; tries < 200 && model.sleeper(SLEEPS_MS) === undefined && !ending.aborted; tries += 1)
      await wait(50)
    const sleeper = model.sleeper(SLEEPS_MS)
    // The command begins a moment after its answer.
    await wait(200)
    const member = fleet.workers.find(({ current }) => current().name === sleeper) ?? otherwise
    const { name, signal } = member.current()
    const fault = note('stop_worker', name)
    signal('SIGSTOP')
    await wait(random.between(8000, 10_000))
    signal('SIGCONT')
    stopped = undefined
    over(fault)
  }

  const killRedis = async () => {
    const fault = note('kill_redis', 'redis')
    await redis.kill()
    await wait(random.pick([200, 1000, 2000, 4000]))
    await redis.start()
    over(fault)
  }

  const ofNetwork = async (
    kind: 'cut' | 'cut_reply' | 'delay' | 'half_open' | 'blackhole',
    member: Member,
  ) => {
    const { proxy } = member
    const fault = note(kind, member.current().name)
    switch (kind) {
      case 'cut':
        proxy.cut()
        break
      case 'cut_reply':
        proxy.cutNextReply()
        break
      case 'half_open':
        proxy.halfOpen()
        break
      case 'delay':
        proxy.delay(random.between(20, 250))
        await wait(random.between(1000, 4000))
        proxy.mend()
        break
      case 'blackhole':
        proxy.blackhole()
        await wait(random.between(1000, 6000))
        proxy.mend()
        break
    }
    over(fault)
  }

  const strike = async (kind: FaultKind): Promise<void> => {
    const worker = random.pick(fleet.workers)
    const api = random.pick(fleet.apis)
    switch (kind) {
      case 'kill_worker':
        if (random.chance(0.15)) return cancelAtFinish(worker)
        return random.chance(0.5) ? kill(kind, worker) : killAt(kind, worker, random.pick(WORKER_POINTS))
      case 'kill_api':
        return random.chance(0.5) ? kill(kind, api) : killAt(kind, api, { script: 'create', when: 'after' })
      case 'stop_worker':
        return stop(worker)
      case 'drain_worker':
        return drain(worker)
      case 'kill_redis':
        return killRedis()
      default:
        return ofNetwork(kind, random.chance(0.7) ? worker : api)
    }
  }

  const timeline = () => {
    const spanMs = settings.minutes * 60_000 * BREAKING - FIRST_MS
    return settings.only
      .flatMap((kind) => {
        const { perMinute, atLeast } = RATES[kind]
        const times = Math.max(atLeast, Math.round(perMinute * settings.pace * settings.minutes))
        // Evenly, each within its part of the run, so that no seed leaves a kind out for long.
        return Array.from({ length: times }, (_, i) => ({
          kind,
          atMs: FIRST_MS + ((i + random.next()) / times) * spanMs,
        }))
      })
      .toSorted((a, b) => a.atMs - b.atMs)
  }

  return {
    faults,
    /** Resolves when the last fault is over and nothing is broken on purpose any more. */
    async run(): Promise<void> {
      for (const { kind, atMs } of timeline()) {
        await wait(Math.max(0, startedAt + atMs - Date.now()))
        if (ending.aborted) break
        const done = strike(kind).finally(() => running.delete(done))
        running.add(done)
      }
      await Promise.all(running)
      for (const { proxy } of [...fleet.workers, ...fleet.apis]) {
        proxy.arm(null)
        proxy.mend()
      }
    },
  }
}
