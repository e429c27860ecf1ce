/**
 * Once a second: keeps this worker's leases, hears what became of its tasks, looks after what is due. While nothing is
 * at work in the whole fleet, less often.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { messageOf, RedisUnavailable } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import type { WorkerInfo } from '../src/schemas/health.ts'
import type { Beat } from '../src/tasks/beating.ts'
import type { TicketQueue } from '../src/tasks/queue.ts'
import type { Store } from '../src/tasks/store.ts'
import { QUIET_S, type Rhythm, untilTick } from '../src/tick.ts'
import type { Activations } from './activations.ts'
import { monotonicMs } from './lease.ts'

interface Options {
  store: Store
  queue: TicketQueue
  activations: Activations
  info: () => WorkerInfo
  /** A beat sent at this monotonic time was confirmed. */
  onConfirmed: (sentAt: number) => void
  /** Of what a beat told, the part that is not done here, since it takes longer than a beat may. */
  onBeat: (beat: Beat) => void
  /** Between beats while the fleet is quiet, in seconds. */
  quietS?: number
  /** The worker's: it is set here. */
  rhythm: Rhythm
  /** Nothing but tasks needs a beat each second. */
  mayRest: () => boolean
  log: Log
}

const BEAT_S = 1
/** After a beat that told of something nearly due, at the least. */
const SOONEST_MS = 20
/** Due tasks looked at with one beat. */
const DUE_A_BEAT = 20

export const createHeartbeat = (options: Options) => {
  const { store, queue, activations, rhythm, quietS = QUIET_S, log } = options
  let stopped = false
  let resting = new AbortController()
  let beating: Promise<void> | null = null
  let began = monotonicMs()
  let nextDueMs = Number.POSITIVE_INFINITY
  let failing = false
  /** Tasks begun. */
  let works = 0

  const beatOnce = async () => {
    const held = activations.all()
    const worksBefore = works
    const restS = held.length === 0 && options.mayRest() ? quietS : BEAT_S
    const info = options.info()
    const sentAt = monotonicMs()
    began = sentAt
    const worker = { id: info.worker_id, info: JSON.stringify(info) }
    const beat = await store.beat(worker, held, DUE_A_BEAT, restS * 1000)
    options.onConfirmed(sentAt)
    if (failing) log.info({}, '[ServerCoordinator] heartbeats are confirmed again')
    failing = false
    held.forEach((activation, i) => {
      if (!activations.has(activation)) return
      const verdict = beat.leases[i]
      if (verdict === 'ok') activation.clock.renewed(sentAt)
      else activation.stop(verdict === 'cancel' ? 'cancelled' : 'refused')
      if (verdict === 'cancel') activation.clock.renewed(sentAt)
    })
    // A lease that nobody renews any more is found when it lapses, not up to a beat later.
    nextDueMs = Math.max(SOONEST_MS, Math.ceil(beat.nextDueMs ?? Number.POSITIVE_INFINITY) + 1)
    rhythm.everyS = beat.quiet && works === worksBefore ? restS : BEAT_S
    await queue.add(beat.tickets)
    options.onBeat(beat)
  }

  /** Beats now, or joins the beat under way. Never throws. */
  const beat = (): Promise<void> => {
    beating ??= beatOnce()
      .catch((error: unknown) => {
        const err = messageOf(error instanceof RedisUnavailable ? error.cause : error)
        // One line per outage, not per beat.
        log[failing ? 'debug' : 'warn']({ err }, '[ServerCoordinator] heartbeat failed')
        failing = true
        rhythm.everyS = BEAT_S
        nextDueMs = Number.POSITIVE_INFINITY
      })
      .finally(() => {
        beating = null
        // It may not have been the loop's: what is waited for is another time now.
        resting.abort()
      })
    return beating
  }

  const loop = async () => {
    while (!stopped) {
      await beat()
      await untilNext()
    }
  }
  const untilNext = async () => {
    while (!stopped) {
      const most = began + Math.min(rhythm.everyS * 1000, nextDueMs) - monotonicMs()
      resting = new AbortController()
      const { signal } = resting
      await pause(Math.max(0, Math.min(untilTick(rhythm.everyS), most)), undefined, { signal }).catch(
        () => {},
      )
      if (!signal.aborted) return
    }
  }

  return {
    beat,
    start: () => void loop(),
    /** A task begins here: what held for a fleet without one does so no more. */
    workBegan() {
      works += 1
      if (rhythm.everyS === BEAT_S) return
      rhythm.everyS = BEAT_S
      resting.abort()
    },
    /** Something is to be done somewhere, which a beat tells. */
    quietEnded() {
      if (rhythm.everyS > BEAT_S) void beat()
    },
    stop() {
      stopped = true
      resting.abort()
    },
  }
}
