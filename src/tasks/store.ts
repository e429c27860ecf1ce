/**
 * Tasks, sessions and heartbeats in Redis. Every change is one Lua file (lua/), atomic and safe to repeat.
 * Tickets that a change returns must be added to the queue by the caller; a lost one is found by `beat`.
 * Every method throws `RedisUnavailable` when Redis cannot serve (on a patient connection it waits instead).
 */
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { viaRedis } from '../redis.ts'
import type { LogEvent, TerminalEvent } from '../schemas/event.ts'
import { TaskStatus } from '../schemas/task.ts'
import { createBeating } from './beating.ts'
import { createDelegating } from './delegating.ts'
import { createKeeping } from './keeping.ts'
import { createReads } from './reads.ts'
import { parseRecord, type TaskRecord } from './record.ts'
import { type Refusal, refusalOf, type Ticket, ticketsOf } from './replies.ts'
import { createScripts } from './scripts.ts'
import type { Progress } from './usage.ts'

export type BeginResult =
  | { verdict: 'started' | 'resumed'; now: number; record: TaskRecord }
  | { verdict: 'held' | 'stale' | 'ended' | 'cancelled' | 'gone'; tickets: Ticket[] }

export interface NewTask {
  task_id: string
  session_id: string
  /** Record fields, absent ones left out. */
  fields: Record<string, string>
  run_at_ms?: number
  title: string
  /** A session nobody knows is not made: its mirror is looked for first. */
  only_known_session?: boolean
  idempotency?: { key: string; hash: string; answer: string }
}

export interface Lease {
  task_id: string
  activation: string
}

export type Store = ReturnType<typeof createStore>

const Reply = z.array(z.string())
/**
 * How long an activation may stay silent before its task goes to another. Its commands are killed half a second
 * earlier; that must be longer than one beat (1 s), an outage of 2 s and the reconnect after it take together.
 */
export const LEASE_MS = 4000

const DAY_S = 86_400

export interface StoreOptions {
  redis: Redis
  /** The cluster hash tag all keys begin with, e.g. `{alex}`. */
  prefix: string
  leaseMs: number
}

/** Where the queue keeps a ticket's job; `beat` looks there before it calls a ticket lost. */
export const QUEUE_NAME = 'tickets'

export const createStore = ({ redis, prefix, leaseMs }: StoreOptions) => {
  const run = createScripts(redis, prefix)
  const key = (...parts: string[]) => [prefix, ...parts].join(':')
  return {
    async create(task: NewTask) {
      const { idempotency } = task
      const [verdict, ...rest] = Reply.parse(
        await run('create', [
          task.task_id,
          task.session_id,
          idempotency?.key ?? '',
          idempotency?.hash ?? '',
          idempotency?.answer ?? '',
          DAY_S,
          JSON.stringify(task.fields),
          task.run_at_ms ?? '',
          task.title,
          task.only_known_session ? '1' : '',
        ]),
      )
      switch (verdict) {
        case 'created':
          return { verdict, tickets: ticketsOf(rest) } as const
        case 'replayed':
          return { verdict, answer: rest[0] ?? '' } as const
        case 'conflict':
        case 'session_deleted':
          return { verdict } as const
        case 'not_here':
          return { verdict } as const
        default:
          throw new Error(`create answered ${verdict}`)
      }
    },

    async begin(
      ticket: { task_id: string; n: number },
      activation: string,
      worker: string,
    ): Promise<BeginResult> {
      const [verdict, ...rest] = Reply.parse(
        await run('begin', [ticket.task_id, ticket.n, activation, worker, leaseMs]),
      )
      if (verdict === 'started' || verdict === 'resumed') {
        const record = parseRecord(rest.slice(1))
        if (!record) throw new Error('begin answered without a record')
        return { verdict, now: Number(rest[0]), record }
      }
      return { verdict: Verdict.parse(verdict), tickets: ticketsOf(rest) }
    },

    /** Takes at least one event: without, an append sent again could not be told from a new one. */
    async append(
      lease: Lease,
      expectedSeq: number,
      events: readonly LogEvent[],
      progress: Progress,
    ): Promise<{ verdict: 'ok'; cancel: boolean; ids: string[] } | Refusal> {
      const reply = Reply.parse(
        await run('append', [
          lease.task_id,
          lease.activation,
          expectedSeq,
          leaseMs,
          JSON.stringify(progress.set),
          JSON.stringify(progress.add),
          JSON.stringify(progress.usage ?? []),
          ...events.flatMap(typeAndData),
        ]),
      )
      if (reply[0] === 'ok') return { verdict: 'ok', cancel: reply[1] === '1', ids: reply.slice(2) }
      return refusalOf(reply)
    },

    /** Without a terminal event the task ends `cancelled`. A cancel asked for before wins over any end. */
    async finish(
      lease: Lease,
      expectedSeq: number,
      events: readonly LogEvent[],
      terminal: TerminalEvent | null,
      progress: Progress,
    ): Promise<{ verdict: 'ok'; status: TaskStatus; tickets: Ticket[] } | Refusal> {
      const status = terminal ? STATUS_OF[terminal.event_type] : 'cancelled'
      const reply = Reply.parse(
        await run('finish', [
          lease.task_id,
          lease.activation,
          expectedSeq,
          status,
          ...(terminal ? typeAndData(terminal) : ['', '']),
          JSON.stringify(progress.set),
          JSON.stringify(progress.add),
          JSON.stringify(progress.usage ?? []),
          ...events.flatMap(typeAndData),
        ]),
      )
      if (reply[0] === 'ok')
        return { verdict: 'ok', status: TaskStatus.parse(reply[1]), tickets: ticketsOf(reply.slice(2)) }
      return refusalOf(reply)
    },

    async release(
      lease: Lease,
      reason: 'drained' | 'worker_lost',
    ): Promise<{ verdict: 'ok'; tickets: Ticket[] } | Refusal> {
      const reply = Reply.parse(await run('release', [lease.task_id, lease.activation, reason]))
      if (reply[0] === 'ok' || reply[0] === 'cancelled')
        return { verdict: 'ok', tickets: ticketsOf(reply.slice(1)) }
      return refusalOf(reply)
    },

    async cancel(taskId: string, reason: string, by: string) {
      const [verdict, status, sessionId = '', ...rest] = Reply.parse(
        await run('cancel', [taskId, reason, by]),
      )
      if (verdict === 'not_found') return { verdict } as const
      if (verdict !== 'cancelled' && verdict !== 'flagged' && verdict !== 'ended')
        throw new Error(`cancel answered ${verdict}`)
      return { verdict, status: TaskStatus.parse(status), sessionId, tickets: ticketsOf(rest) } as const
    },

    /** Marks the session; what is left goes with `purgeSession`, called until it says `purged`. */
    async deleteSession(sessionId: string, reason: string, by: string): Promise<'marked' | 'not_found'> {
      const reply = Reply.parse(await run('delete-session', [sessionId, reason, by, '']))
      return reply[0] === 'marked' ? 'marked' : 'not_found'
    },

    async purgeSession(sessionId: string): Promise<'purged' | 'more' | 'busy' | 'not_deleted'> {
      return Purge.parse(await run('purge-session', [sessionId, 500]))
    },

    async list(query: ListQuery) {
      const [next, total, ...flats] = ListReply.parse(
        await run('list', [
          query.limit,
          query.cursor,
          query.statuses.join(','),
          query.sessionId,
          asciiLower(query.text),
          query.budget,
        ]),
      )
      return {
        records: flats.map(parseRecord).filter((record) => record !== null),
        next: next === '' ? undefined : next,
        total: total === '' ? undefined : Number(total),
      }
    },

    async writeTodos(lease: Lease, todos: string): Promise<{ verdict: 'ok' } | Refusal> {
      const reply = Reply.parse(await run('write-todos', [lease.task_id, lease.activation, todos]))
      return reply[0] === 'ok' ? { verdict: 'ok' } : refusalOf(reply)
    },

    async publish(sessionId: string, message: string): Promise<void> {
      await viaRedis(redis.publish(key('events', sessionId), message))
    },

    ...createBeating({ redis, run, key, jobs: `${key(QUEUE_NAME)}:`, leaseMs }),
    ...createReads(redis, key, run),
    ...createDelegating(run),
    keeping: createKeeping(redis, run, key),
    key,
    redis,
  }
}

export interface ListQuery {
  limit: number
  /** JSON as `list.lua` gave it, or ''. */
  cursor: string
  statuses: readonly TaskStatus[]
  sessionId: string
  text: string
  /** Most records one call looks at. */
  budget: number
}

/** What Lua's `string.lower` does to the texts it is compared with. */
const asciiLower = (text: string) => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())

const ListReply = z.tuple([z.string(), z.string()], z.array(z.string()))
const Verdict = z.enum(['held', 'stale', 'ended', 'cancelled', 'gone'])
const Purge = z.enum(['purged', 'more', 'busy', 'not_deleted'])

const STATUS_OF = {
  task_complete: 'completed',
  task_failed: 'failed',
  task_cancelled: 'cancelled',
} as const satisfies Record<TerminalEvent['event_type'], TaskStatus>

const typeAndData = (event: LogEvent): [string, string] => {
  const { event_type, ...data } = event
  return [event_type, JSON.stringify(data)]
}
