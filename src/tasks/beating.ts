/** What workers say of themselves and are told. Throws as the store does. */
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { viaRedis } from '../redis.ts'
import { type Ticket, ticketsOf } from './replies.ts'
import type { RunScript } from './scripts.ts'
import type { Lease } from './store.ts'

export interface Beat {
  /** Milliseconds until something is due: a lease that lapses, a schedule. Absent when nothing is. */
  nextDueMs?: number
  leases: ('ok' | 'cancel' | 'lost')[]
  /** Sessions wait to be looked after. */
  sessionsDue: boolean
  /** Workers have tickets, perhaps one that is gone. */
  ticketsTaken: boolean
  /** Nothing is at work anywhere, nor waits for a worker. */
  quiet: boolean
  purge: string[]
  tickets: Ticket[]
}

interface BeatingOptions {
  redis: Redis
  run: RunScript
  key: (...parts: string[]) => string
  /** Where the queue keeps the jobs of tickets: what their keys begin with. */
  jobs: string
  leaseMs: number
}

/** Without a beat for so long, what a worker said of itself is forgotten. */
const WORKER_TTL_S = 30
const LeaseVerdict = z.enum(['ok', 'cancel', 'lost'])
const Reply = z.array(z.string())

export const createBeating = ({ redis, run, key, jobs, leaseMs }: BeatingOptions) => ({
  /** `most`: due tasks looked at. `quietMs`: after how long the worker beats again when the fleet is quiet. */
  async beat(
    worker: { id: string; info: string },
    leases: readonly Lease[],
    most: number,
    quietMs = 1000,
  ): Promise<Beat> {
    const [nextDue, sessionsDue, taken, quiet, ...rest] = Reply.parse(
      await run('beat', [
        worker.id,
        worker.info,
        WORKER_TTL_S,
        leaseMs,
        jobs,
        Math.random(),
        most,
        quietMs,
        ...leases.flatMap((lease) => [lease.task_id, lease.activation]),
      ]),
    )
    const held = Number(rest[0])
    const purges = Number(rest[1 + held])
    return {
      ...(nextDue ? { nextDueMs: Number(nextDue) } : {}),
      sessionsDue: sessionsDue === '1',
      ticketsTaken: Number(taken) > 0,
      quiet: quiet === '1',
      leases: z.array(LeaseVerdict).parse(rest.slice(1, 1 + held)),
      purge: rest.slice(2 + held, 2 + held + purges),
      tickets: ticketsOf(rest.slice(2 + held + purges)),
    }
  },

  /** What every worker must know at once, e.g. that a provider asked for a pause. */
  async tellWorkers(message: object): Promise<void> {
    await viaRedis(redis.publish(key('control'), JSON.stringify(message)))
  },

  /** A worker that leaves takes itself off the list. */
  async forgetWorker(workerId: string): Promise<void> {
    await viaRedis(redis.multi().zrem(key('workers'), workerId).del(key('worker', workerId)).exec())
  },
})
