/**
 * What Redis knows of keeping and forgetting sessions: who looks when, and what a mirror is made of.
 * Changes are Lua files as the store's. Throws `RedisUnavailable` as the store does.
 */
import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { viaRedis } from '../redis.ts'
import { entryOf, LOG_START, type RawEntry } from './event-log.ts'
import type { RunScript } from './scripts.ts'

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
  /** What the last mirror was written of, and the marker of the folder it is in. */
  mirrored: z.string().optional(),
  mirrored_in: z.string().optional(),
})
export type SessionFields = z.infer<typeof SessionFields>

/** What a mirror of the session, as it is now, is a mirror of. As `mirror_state` in lua/lib.lua. */
export const mirrorStateOf = (session: { last_id: string; trimmed_to?: string | undefined }): string =>
  `${session.last_id} ${session.trimmed_to ?? ''}`

const Ids = z.array(z.string())
const TrimReply = z.tuple([z.enum(['more', 'done']), z.string()])
const Kept = z.enum(['kept', 'lost', 'gone'])

/** How long a keeper has a session to itself. */
const CLAIM_MS = 30_000
const RECORDS_A_READ = 50

export type Keeping = ReturnType<typeof createKeeping>

export const createKeeping = (redis: Redis, run: RunScript, key: (...parts: string[]) => string) => ({
  /** Sessions whose look is due, claimed for this keeper. */
  async look(most: number): Promise<Look[]> {
    const token = randomUUID()
    const ids = Ids.parse(await run('look', [token, most, CLAIM_MS]))
    return ids.map((session_id) => ({ session_id, token }))
  },

  /** Null when the session does not exist or is being deleted. */
  async session(sessionId: string): Promise<SessionFields | null> {
    const fields = await viaRedis(redis.hgetall(key('session', sessionId)))
    if (fields['created_at'] === undefined || fields['deleted'] !== undefined) return null
    return SessionFields.parse(fields)
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

  /** The records of all its tasks, as they stand, in the order they were created. */
  async *records(sessionId: string): AsyncGenerator<Record<string, string>> {
    const ids = await viaRedis(redis.zrange(key('session', sessionId, 'tasks'), '0', '-1'))
    for (let from = 0; from < ids.length; from += RECORDS_A_READ) {
      const pipeline = redis.pipeline()
      for (const id of ids.slice(from, from + RECORDS_A_READ)) pipeline.hgetall(key('task', id))
      for (const [error, record] of (await viaRedis(pipeline.exec())) ?? []) {
        if (error) throw error
        const fields = RecordReply.parse(record)
        if (fields['id'] !== undefined) yield fields
      }
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
      mirrored?: { state: string; marker: string }
      retentionMs: number
      pauseMs?: number
      againMs?: number
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
})

/** Of HGETALL in a pipeline. */
const RecordReply = z.record(z.string(), z.string())
