/** What is read of tasks and sessions without changing anything. Throws `RedisUnavailable` as the store does. */
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { viaRedis } from '../redis.ts'
import type { Event } from '../schemas/event.ts'
import { TASK_STATUSES, type TaskStats, TaskStatus } from '../schemas/task.ts'
import { IDLE_S } from '../tick.ts'
import { entryOf, eventOf, fieldsOf } from './event-log.ts'
import { parseRecord, type TaskRecord } from './record.ts'
import type { RunScript } from './scripts.ts'
import { type Counters, usageByModel } from './usage.ts'

const LAST_POSSIBLE_ID = '18446744073709551615-18446744073709551615'
const Counts = z.record(TaskStatus, z.number())
const LastId = z.string().nullish()

export interface Overview {
  /** By the clock of Redis. */
  at: number
  tasks: TaskStats
  sessions: number
  /** With an event in the last 5 minutes. */
  sessionsActive: number
  /** Pending tasks that wait for nothing but a slot, and how long the first of them has. */
  ready: number
  oldestReadyMs?: number
  oldestPendingMs?: number
  /** As lua/counts.lua has them. */
  counts: Record<string, string>
  usageToday: Map<string, Counters>
  /** What live workers say of themselves (JSON), and when they did by the clock of Redis. */
  workers: { info: string; beatAt: number }[]
  /** Where live APIs listen, JSON. */
  apis: string[]
  /** Workers at rest were asked for a beat. */
  called: boolean
  /** The error with which Redis refuses changes. */
  refused?: string
}

const ACTIVE_MS = 300_000
/** So long without a word where one came each second, a worker is not alive. */
const ALIVE_MS = 5000
const API_ALIVE_MS = ALIVE_MS + IDLE_S * 1000
const FORGET_MS = 60_000
const Flat = z.array(z.string())
const OverviewReply = z.tuple([
  z.string(),
  z.number(),
  z.number(),
  z.number(),
  z.string(),
  z.string(),
  z.array(z.number()),
  Flat,
  Flat,
  Flat,
  Flat,
  z.string(),
  z.string(),
])

const statsOf = (counts: readonly number[]): TaskStats =>
  Counts.parse(Object.fromEntries(TASK_STATUSES.map((status, i) => [status, counts[i]])))

export const createReads = (redis: Redis, key: (...parts: string[]) => string, run: RunScript) => {
  /** Events after `after` (exclusive), oldest first, raw. */
  const readLog = async (sessionId: string, after: string, count: number): Promise<Event[]> => {
    // Redis refuses to look beyond its last possible id.
    if (after === LAST_POSSIBLE_ID) return []
    const entries = await viaRedis(
      redis.xrange(key('session', sessionId, 'log'), `(${after}`, '+', 'COUNT', count),
    )
    return entries.map(([id, flat]) => eventOf(sessionId, entryOf(id, flat)))
  }
  return {
    async get(taskId: string): Promise<TaskRecord | null> {
      const fields = await viaRedis(redis.hgetall(key('task', taskId)))
      const record = parseRecord(Object.entries(fields).flat())
      if (!record) return null
      const deleted = await viaRedis(redis.hexists(key('session', record.session_id), 'deleted'))
      return deleted ? null : record
    },

    async stats(): Promise<TaskStats> {
      return statsOf(z.array(z.number()).parse(await run('stats', TASK_STATUSES)))
    },

    /**
     * All that is known of the fleet, at one moment. `api`: where the one that asks listens, JSON, told to the others.
     * `asked`: somebody wants to know of workers as they are now, so those at rest are asked for a beat.
     */
    async overview(api = '', asked = false): Promise<Overview> {
      const args = [ACTIVE_MS, ALIVE_MS, API_ALIVE_MS, FORGET_MS, asked ? '1' : '', api, ...TASK_STATUSES]
      const reply = OverviewReply.parse(await run('overview', args))
      const [now, sessions, sessionsActive, ready, readySince, pendingSince, ...rest] = reply
      const [statuses, counts, usage, beats, apis, refused, called] = rest
      const ageOf = (since: string) => Math.max(0, Number(now) - Number(since))
      return {
        at: Number(now),
        tasks: statsOf(statuses),
        sessions,
        sessionsActive,
        ready,
        ...(readySince === '' ? {} : { oldestReadyMs: ageOf(readySince) }),
        ...(pendingSince === '' ? {} : { oldestPendingMs: ageOf(pendingSince) }),
        counts: fieldsOf(counts),
        usageToday: usageByModel(fieldsOf(usage)),
        workers: beats.flatMap((beatAt, i) =>
          i % 2 === 0 ? [{ beatAt: Number(beatAt), info: beats[i + 1] ?? '' }] : [],
        ),
        apis,
        called: called !== '',
        ...(refused === '' ? {} : { refused }),
      }
    },

    readLog,

    /** As `readLog`, with the id up to which entries may have been trimmed when it was read. */
    async readLogFrom(
      sessionId: string,
      after: string,
      count: number,
    ): Promise<{ events: Event[]; trimmedTo: string }> {
      // Sent in this order: a trim in between shows in the id.
      const [events, trimmedTo] = await Promise.all([
        readLog(sessionId, after, count),
        viaRedis(redis.hget(key('session', sessionId), 'trimmed_to')),
      ])
      return { events, trimmedTo: trimmedTo ?? '0-0' }
    },

    /** The id before the last `count` entries, so that reading after it gives those; with 0, nothing of the past. */
    async idBeforeLast(sessionId: string, count: number): Promise<string> {
      const entries = await viaRedis(
        redis.xrevrange(key('session', sessionId, 'log'), '+', '-', 'COUNT', count + 1),
      )
      return entries.length > count ? (entries.at(-1)?.[0] ?? '0-0') : '0-0'
    },

    async sessionFields(sessionId: string): Promise<Record<string, string> | null> {
      const fields = await viaRedis(redis.hgetall(key('session', sessionId)))
      return fields['created_at'] === undefined || fields['deleted'] !== undefined ? null : fields
    },

    /** Last log id per session, in order; `0-0` for a session without a log. */
    async lastIds(sessionIds: readonly string[]): Promise<string[]> {
      const pipeline = redis.pipeline()
      for (const id of sessionIds) pipeline.hget(key('session', id), 'last_id')
      const replies = await viaRedis(pipeline.exec())
      return sessionIds.map((_, i) => LastId.parse(replies?.[i]?.[1]) ?? '0-0')
    },

    async readTodos(sessionId: string): Promise<string | null> {
      return viaRedis(redis.get(key('session', sessionId, 'todos')))
    },
  }
}
