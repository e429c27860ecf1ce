/** Takes tickets from BullMQ, which wakes an idle process with its tick and at no other time. */
import { RedisQueueBackend, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { messageOf } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import type { TicketJob } from '../src/tasks/queue.ts'
import { QUEUE_NAME } from '../src/tasks/store.ts'
import { type Rhythm, tick, untilTick } from '../src/tick.ts'

interface Options {
  redis: Redis
  prefix: string
  runTask: (job: TicketJob) => Promise<void>
  concurrency: number
  rhythm: Rhythm
  log: Log
}

/** BullMQ's lock only saves a ticket whose worker died before `begin`; the lease decides everything else. */
const LOCK_MS = 3000
/** All workers share one look for lost tickets in this time, which has to be over when the next beat comes. */
const LOOK_MS = 900
/** Redis sees that a wait is over when it is awake: just before the beat, it answers both together. */
const BEFORE_TICK_MS = 5
/** Of the connection that waits for tickets: BullMQ itself gives a wait up a second after its end. */
const SILENCE_MS = 15_000
/** Redis 6 takes a wait of less than a millisecond for one without end. */
const SHORTEST_MS = 10

class TickWorker extends Worker<TicketJob> {
  rhythm: Rhythm = { everyS: 1 }

  /** Seconds. */
  protected override getBlockTimeout(): number {
    return Math.max(SHORTEST_MS, untilTick(this.rhythm.everyS) - BEFORE_TICK_MS) / 1000
  }
}

export type TakeTickets = ReturnType<typeof takeTickets>

export const takeTickets = ({ redis, prefix, runTask, concurrency, rhythm, log }: Options) => {
  const stopping = new AbortController()
  const failed = (error: unknown) => log.debug({ err: messageOf(error) }, '[ServerCoordinator] tickets')
  /** Tokens of the locks held, by ticket. */
  const locks = new Map<string, string>()
  let keeping: Promise<void> | undefined
  const worker = new TickWorker(
    QUEUE_NAME,
    async ({ id = '', token = '', data }) => {
      locks.set(id, token)
      keeping ??= keepLocks()
      try {
        await runTask(data)
      } finally {
        locks.delete(id)
      }
    },
    {
      connection: redis,
      prefix,
      concurrency,
      lockDuration: LOCK_MS,
      // Both would have timers of their own.
      skipLockRenewal: true,
      skipStalledCheck: true,
      stalledInterval: LOOK_MS,
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      // Its own default keeps a slot idle for 15 s after an outage.
      runRetryDelay: 500,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    },
  )
  worker.rhythm = rhythm
  const beSilentLonger = async () => {
    const client = worker.backend instanceof RedisQueueBackend && (await worker.backend.blockingClient)
    if (client) client.options.socketTimeout = SILENCE_MS
  }
  void beSilentLonger().catch(failed)
  worker.on('error', (error) => log.debug({ err: error.message }, '[ServerCoordinator] queue'))
  worker.on('failed', (job, error) =>
    log.error(
      { ticket: job?.id, task_id: job?.data.task_id, err: error.message },
      '[ServerCoordinator] a ticket failed',
    ),
  )

  const keepLocks = async () => {
    while (locks.size > 0 && !stopping.signal.aborted) {
      await tick(1, stopping.signal)
      if (locks.size > 0)
        await worker.extendJobLocks([...locks.keys()], [...locks.values()], LOCK_MS).catch(failed)
    }
    keeping = undefined
  }

  return {
    /** Tickets whose lock has run out are for anybody again. To be called once a second while any is taken. */
    giveBackLost: () => void worker.backend.moveStalledJobsToWait().catch(failed),
    /** Takes no further ticket. Those that it has are kept until it is closed. */
    pause: () => worker.pause(true),
    async close(): Promise<void> {
      await worker.close()
      stopping.abort()
    },
  }
}
