/**
 * What Redis knows of keeping and forgetting sessions: who looks when, and what a mirror is made of.
 * Changes are Lua files as the store's. Throws `RedisUnavailable` as the store does.
 */
import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { viaRedis } from '../redis.ts'
import { IDLE_S } from '../tick.ts'
import { entryOf, LOG_START, type RawEntry } from './event-log.ts'
import type { RunScript } from './scripts.ts'
import { usageFieldsOf } from './usage.ts'

/** One keeper's turn at a session; nobody else has one until it was `kept` or the claim ran out. */
export interface Look {
  session_id: string
  token: string
}

const ms = z.coerce.number()
/** The session's hash, times in ms of Redis' clock. */
const SessionFields = z.object({
  title: z.string().default(''),
  created_at: ms,
  updated_at: ms.optional(),
  last_id: z.string().default(LOG_START),
  trimmed_to: z.string().optional(),
  forked_from: z.string().optional(),
  forked_to: z.string().optional(),
  /** What the last mirror was written of, and the marker of the folder it is in. */
  mirrored: z.string().optional(),
  mirrored_in: z.string().optional(),
  /** Present: this is a stub, the rest is in the mirror. */
  evicted: ms.optional(),
  restored_at: ms.optional(),
})
export type SessionFields = z.infer<typeof SessionFields>

export interface KeptSession extends SessionFields {
  /** What its model calls used, under the names of its hash. */
  used: Record<string, string>
  /** Of its log. */
  entries: number
  /** Redis' clock, ms. */
  now: number
}

/** What a mirror of the session, as it is now, is a mirror of. As `mirror_state` in lua/lib.lua. */
export const mirrorStateOf = (session: { last_id: string; trimmed_to?: string | undefined }): string =>
  `${session.last_id} ${session.trimmed_to ?? ''}`

const Ids = z.array(z.string())
const TrimReply = z.tuple([z.enum(['more', 'done']), z.string()])
interface EvictionOf {
  state: string
  marker: string
  retentionMs: number
}
const Eviction = z.enum(['evicted', 'may', 'changed', 'unfinished', 'not_idle', 'not_shared', 'gone'])
export type Eviction = z.infer<typeof Eviction>
const ForkVerdict = z.enum(['forked', 'replayed', 'conflict', 'not_found', 'not_here'])
const Restoration = z.enum(['restored', 'present', 'gone', 'incomplete'])
const Kept = z.enum(['kept', 'lost', 'gone'])

/** How long a keeper has a session to itself. */
const CLAIM_MS = 30_000
const RECORDS_A_READ = 50
/** A process that has not named its folder for this long is not counted as live. */
const STORE_LIVE_MS = IDLE_S * 1000 + 15_000
const DAY_S = 86_400
const IMPORT_LOOK_MS = 3_600_000

/** As lua/base.lua has it: what is put back may be of any kind that this release knows. */
const VERSION = '2'

const flatOf = ({ task, seq, at, type, data, parent }: RawEntry): string[] => {
  const flat = ['v', VERSION, 'task', task, 'seq', String(seq), 'at', String(at), 'type', type, 'data', data]
  return parent === undefined ? flat : [...flat, 'parent', parent]
}

export type Keeping = ReturnType<typeof createKeeping>

export const createKeeping = (redis: Redis, run: RunScript, key: (...parts: string[]) => string) => {
  const evict = async (look: Look, of: EvictionOf, asking: '1' | ''): Promise<Eviction> => {
    const { session_id, token } = look
    const args = [session_id, token, of.state, of.marker, of.retentionMs, STORE_LIVE_MS, asking]
    return Eviction.parse(await run('evict', args))
  }
  const nowMs = async () => Number((await viaRedis(redis.time()))[0]) * 1000
  return {
    /** Sessions whose look is due, claimed for this keeper. */
    async look(most: number): Promise<Look[]> {
      const token = randomUUID()
      const ids = Ids.parse(await run('look', [token, most, CLAIM_MS]))
      return ids.map((session_id) => ({ session_id, token }))
    },

    /** Null when the session does not exist or is being deleted. */
    async session(sessionId: string): Promise<KeptSession | null> {
      const [fields, time, entries] = await viaRedis(
        Promise.all([
          redis.hgetall(key('session', sessionId)),
          redis.time(),
          redis.xlen(key('session', sessionId, 'log')),
        ]),
      )
      if (fields['created_at'] === undefined || fields['deleted'] !== undefined) return null
      return {
        ...SessionFields.parse(fields),
        used: usageFieldsOf(fields),
        entries,
        now: Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1000),
      }
    },

    /** Its todos, as they stand, and its tasks in the order they were created. */
    async contents(sessionId: string): Promise<{ todos: string | null; tasks: string[] }> {
      const [todos, tasks] = await viaRedis(
        Promise.all([
          redis.get(key('session', sessionId, 'todos')),
          redis.zrange(key('session', sessionId, 'tasks'), '0', '-1'),
        ]),
      )
      return { todos, tasks }
    },

    /** Raw entries after `after` and up to `to` (0-0: none), oldest first. */
    async rawPage(sessionId: string, after: string, to: string, count: number): Promise<RawEntry[]> {
      const entries = await viaRedis(
        redis.xrange(key('session', sessionId, 'log'), `(${after}`, to, 'COUNT', count),
      )
      return entries.map(([id, flat]) => entryOf(id, flat))
    },

    async taskCount(sessionId: string): Promise<number> {
      return viaRedis(redis.zcard(key('session', sessionId, 'tasks')))
    },

    async entryCount(sessionId: string): Promise<number> {
      return viaRedis(redis.xlen(key('session', sessionId, 'log')))
    },

    /** Which of these sessions Redis knows nothing of. */
    async unknown(sessionIds: readonly string[]): Promise<string[]> {
      const pipeline = redis.pipeline()
      for (const id of sessionIds) pipeline.exists(key('session', id))
      const replies = await viaRedis(pipeline.exec())
      return sessionIds.filter((_, i) => replies?.[i]?.[1] === 0)
    },

    /** A process says which folder it sees; `marker` null: none. Without this it does not count as live. */
    async announce(processId: string, marker: string | null): Promise<void> {
      const now = await nowMs()
      await viaRedis(
        redis
          .multi()
          .zadd(key('stores'), now, `${marker ?? 'none'}:${processId}`)
          .zremrangebyscore(key('stores'), '-inf', now - STORE_LIVE_MS)
          .exec(),
      )
    },

    /** Whether a live process sees the folder with this marker. */
    async isSeen(marker: string): Promise<boolean> {
      const now = await nowMs()
      const live = await viaRedis(redis.zrangebyscore(key('stores'), now - STORE_LIVE_MS, '+inf'))
      return live.some((process) => process.startsWith(`${marker}:`))
    },

    /** Of a session being deleted: which folder it was mirrored in. Null when it is not being deleted. */
    async deletion(sessionId: string): Promise<{ mirroredIn: string | null } | null> {
      const fields = await viaRedis(redis.hmget(key('session', sessionId), 'deleted', 'mirrored_in'))
      return fields[0] === null ? null : { mirroredIn: fields[1] ?? null }
    },

    /** Takes a session out of Redis whose verified mirror is of `state`; `mayEvict` asks whether it would. */
    evict: (look: Look, of: EvictionOf) => evict(look, of, ''),
    mayEvict: (look: Look, of: EvictionOf) => evict(look, of, '1'),

    /** Lays tasks and entries of a session aside until `restore` with the same token. */
    async stage(token: string, tasks: readonly Record<string, string>[], entries: readonly RawEntry[]) {
      await run('stage', [
        token,
        tasks.length,
        ...tasks.flatMap((task) => [task['id'] ?? '', JSON.stringify(task)]),
        ...entries.flatMap((entry) => {
          const fields = flatOf(entry)
          return [entry.id, fields.length, ...fields]
        }),
      ])
    },

    async restore(
      sessionId: string,
      token: string,
      of: { tasks: number; entries: number; todos: string; last_id: string; trimmed_to?: string | undefined },
    ): Promise<'restored' | 'present' | 'gone' | 'incomplete'> {
      const { tasks, entries, todos, last_id, trimmed_to = '' } = of
      const args = [sessionId, token, tasks, entries, todos, last_id, trimmed_to]
      return Restoration.parse(await run('restore', args))
    },

    /** Makes a stub of a session that only its mirror knows. False when Redis knows it, too. */
    async importStub(sessionId: string, fields: Record<string, string>, usedAt: number): Promise<boolean> {
      const reply = await run('import', [sessionId, JSON.stringify(fields), usedAt, IMPORT_LOOK_MS])
      return reply === 'imported'
    },

    /** Copies the ended tasks into a new session, in as many calls as it takes. Safe to call again. */
    async fork(sessionId: string, newId: string, idempotency?: { key: string; hash: string }) {
      const args = [sessionId, newId, idempotency?.key ?? '', idempotency?.hash ?? '', DAY_S]
      for (;;) {
        const [verdict, value = ''] = Ids.parse(await run('fork', args))
        if (verdict !== 'more') return { verdict: ForkVerdict.parse(verdict), value }
      }
    },

    /** Marks the session as deleted, unless it was used since it had this last id. */
    async deleteUnused(sessionId: string, lastId: string, reason: string): Promise<boolean> {
      const reply = await run('delete-session', [sessionId, reason, 'system', lastId])
      return Ids.parse(reply)[0] === 'marked'
    },

    /** The records of tasks, as they stand; those that are gone are left out. */
    async *records(ids: readonly string[]): AsyncGenerator<Record<string, string>> {
      for (let from = 0; from < ids.length; from += RECORDS_A_READ) {
        const some = ids.slice(from, from + RECORDS_A_READ)
        const records = await viaRedis(Promise.all(some.map((id) => redis.hgetall(key('task', id)))))
        yield* records.filter((fields) => fields['id'] !== undefined)
      }
    },

    /** Drops ended tasks, the oldest first, while the log has more entries or they ended longer ago than given. */
    async trim(sessionId: string, limits: { entries: number; retentionMs: number }): Promise<void> {
      let standing = '0'
      for (;;) {
        const args = [sessionId, limits.entries, limits.retentionMs, standing]
        const [state, stood] = TrimReply.parse(await run('trim', args))
        if (state === 'done') return
        standing = stood
      }
    },

    /**
     * Ends a look. `mirrored`: the state a mirror was written of, and where. `pauseMs`: nobody need look before.
     * `againMs`: look again then, whatever retention says.
     */
    async kept(
      look: Look,
      end: {
        mirrored?: { state: string; marker: string } | null
        retentionMs: number
        pauseMs?: number
        againMs?: number | undefined
      },
    ): Promise<'kept' | 'lost' | 'gone'> {
      return Kept.parse(
        await run('kept', [
          look.session_id,
          look.token,
          end.mirrored?.state ?? '',
          end.mirrored?.marker ?? '',
          end.retentionMs,
          end.pauseMs ?? 0,
          end.againMs ?? '',
        ]),
      )
    },
  }
}
