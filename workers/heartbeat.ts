/** Once a second: keeps this worker's leases, hears what became of its tasks, looks after what is due. */
import { setTimeout as pause } from 'node:timers/promises'
import { messageOf, RedisUnavailable } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import type { WorkerInfo } from '../src/schemas/health.ts'
import type { Beat } from '../src/tasks/beating.ts'
import type { TicketQueue } from '../src/tasks/queue.ts'
import type { Store } from '../src/tasks/store.ts'
import { untilTick } from '../src/tick.ts'
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
  log: Log
}

const BEAT_MS = 1000
/** After a beat that told of something nearly due, at the least. */
const SOONEST_MS = 20
/** Due tasks looked at with one beat. */
const DUE_A_BEAT = 20

export const createHeartbeat = (options: Options) => {
  const { store, queue, activations, log } = options
  const stopping = new AbortController()
  let beating: Promise<void> | null = null
  let waitMs = BEAT_MS
  let failing = false

  const beatOnce = async () => {
    const held = activations.all()
    const info = options.info()
    const sentAt = monotonicMs()
    const beat = await store.beat({ id: info.worker_id, info: JSON.stringify(info) }, held, DUE_A_BEAT)
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
    waitMs = Math.min(BEAT_MS, Math.max(SOONEST_MS, Math.ceil(beat.nextDueMs ?? BEAT_MS) + 1))
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
      })
      .finally(() => {
        beating = null
      })
    return beating
  }

  const loop = async () => {
    while (!stopping.signal.aborted) {
      const began = monotonicMs()
      waitMs = BEAT_MS
      await beat()
      const left = Math.min(untilTick(), began + waitMs - monotonicMs())
      await pause(Math.max(0, left), undefined, { signal: stopping.signal }).catch(() => {})
    }
  }

  return {
    beat,
    start: () => void loop(),
    stop: () => stopping.abort(),
  }
}
