/** A worker's life: take tickets, run tasks, beat, hear cancels, leave well. */
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { messageOf } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import type { TicketJob } from '../src/tasks/queue.ts'
import { QUEUE_NAME, type Store } from '../src/tasks/store.ts'
import type { Activations } from './activations.ts'
import type { createHeartbeat } from './heartbeat.ts'

interface Options {
  redis: Redis
  subscriber: Redis
  prefix: string
  store: Store
  activations: Activations
  heartbeat: ReturnType<typeof createHeartbeat>
  runTask: (job: TicketJob) => Promise<void>
  concurrency: number
  shutdownGraceMs: number
  onThrottle: (model: string, ms: number) => void
  log: Log
}

const Control = z.union([
  z.object({ cancel: z.string() }),
  z.object({ throttle: z.object({ model: z.string(), ms: z.number() }) }),
])

/** After the grace, how long an aborted step may take to let go. */
const ABORT_MS = 3000
const CLOSE_MS = 2000

export const startWorker = (options: Options) => {
  const { activations, heartbeat, subscriber, store, log } = options
  const control = store.key('control')

  subscriber.on('message', (_channel: string, text: string) => {
    const message = Control.safeParse(JSON.parse(text))
    if (!message.success) return
    if ('cancel' in message.data) activations.cancel(message.data.cancel)
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

  // BullMQ's lock only saves a ticket whose worker died before `begin`; the lease decides everything else.
  const worker = new Worker<TicketJob>(QUEUE_NAME, async (job) => options.runTask(job.data), {
    connection: options.redis,
    prefix: options.prefix,
    concurrency: options.concurrency,
    lockDuration: 3000,
    stalledInterval: 1000,
    maxStalledCount: Number.MAX_SAFE_INTEGER,
    // Below the silence that means a dead connection (src/redis.ts), since it is silent for so long.
    drainDelay: 1.5,
    // Its own default keeps a slot idle for 15 s after an outage.
    runRetryDelay: 500,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  })
  worker.on('error', (error) => log.debug({ err: error.message }, '[ServerCoordinator] queue'))
  worker.on('failed', (job, error) =>
    log.error(
      { ticket: job?.id, task_id: job?.data.task_id, err: error.message },
      '[ServerCoordinator] a ticket failed',
    ),
  )
  heartbeat.start()

  return {
    /** Takes no new ticket, lets running steps end, hands the tasks over. */
    async drain(): Promise<void> {
      log.info({ running: activations.all().length }, '[ServerCoordinator] draining')
      await Promise.race([worker.pause(true), pause(CLOSE_MS)])
      await Promise.race([activations.empty(), pause(options.shutdownGraceMs)])
      for (const activation of activations.all()) activation.stop('drained')
      await Promise.race([activations.empty(), pause(ABORT_MS)])
      await Promise.race([worker.close(), pause(CLOSE_MS)])
      heartbeat.stop()
    },
  }
}
