/** A worker's life: take tickets, run tasks, beat, hear cancels, leave well. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { messageOf } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import type { Store } from '../src/tasks/store.ts'
import type { Activations } from './activations.ts'
import type { createHeartbeat } from './heartbeat.ts'
import type { TakeTickets } from './take-tickets.ts'

interface Options {
  subscriber: Redis
  store: Store
  activations: Activations
  heartbeat: ReturnType<typeof createHeartbeat>
  tickets: TakeTickets
  shutdownGraceMs: number
  onThrottle: (model: string, ms: number) => void
  log: Log
}

const Control = z.union([
  z.object({ cancel: z.string() }),
  z.object({ beat: z.literal(true) }),
  z.object({ throttle: z.object({ model: z.string(), ms: z.number() }) }),
])

/** After the grace, how long an aborted step may take to let go. */
const ABORT_MS = 3000
const CLOSE_MS = 2000

export const startWorker = (options: Options) => {
  const { activations, heartbeat, subscriber, store, tickets, log } = options
  const control = store.key('control')

  subscriber.on('message', (_channel: string, text: string) => {
    const message = Control.safeParse(JSON.parse(text))
    if (!message.success) return
    if ('cancel' in message.data) activations.cancel(message.data.cancel)
    else if ('beat' in message.data) heartbeat.quietEnded()
    else options.onThrottle(message.data.throttle.model, message.data.throttle.ms)
  })
  const subscribe = () => {
    subscriber
      .subscribe(control)
      // What was published while nobody listened is in the records: the beat brings it.
      .then(() => heartbeat.beat())
      .catch((error: unknown) => log.debug({ err: messageOf(error) }, '[ServerCoordinator] subscribe'))
  }
  subscriber.on('ready', subscribe)
  if (subscriber.status === 'ready') subscribe()

  heartbeat.start()

  return {
    /** Takes no new ticket, lets running steps end, hands the tasks over. */
    async drain(): Promise<void> {
      log.info({ running: activations.all().length }, '[ServerCoordinator] draining')
      await Promise.race([tickets.pause(), pause(CLOSE_MS)])
      await Promise.race([activations.empty(), pause(options.shutdownGraceMs)])
      for (const activation of activations.all()) activation.stop('drained')
      await Promise.race([activations.empty(), pause(ABORT_MS)])
      await Promise.race([tickets.close(), pause(CLOSE_MS)])
      heartbeat.stop()
    },
  }
}
