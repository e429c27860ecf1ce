import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { viaRedis } from '../redis.ts'
import type { Event } from '../schemas/event.ts'
import { type SessionMessage, type SessionSummary, Todo } from '../schemas/session.ts'
import type { Archive } from './archive.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { compareIds, LOG_START } from './event-log.ts'
import { forkSession } from './fork-session.ts'
import type { SessionService } from './service.ts'
import type { Store } from './store.ts'
import { countersByModel, sumOf, usageOf } from './usage.ts'

const PURGE_WAIT_MS = 10_000
/** Log entries read for one page of messages at the most. */
const READ_PAGE = 1000

export const createSessionService = (options: {
  store: Store
  archive: Archive
  redact: (text: string) => string
}): SessionService => {
  const { store, archive, redact } = options
  const { redis, key } = store

  const summaryOf = async (sessionId: string): Promise<SessionSummary | null> => {
    const fields = await store.sessionFields(sessionId)
    if (!fields) return null
    const [count, head] = await Promise.all([
      redis.zcard(key('session', sessionId, 'tasks')),
      redis.zrange(key('session', sessionId, 'line'), '0', '0'),
    ])
    const { cost_usd } = usageOf(sumOf(countersByModel(fields).values()))
    const active = head[0] === undefined ? null : await store.get(head[0])
    return {
      session_id: sessionId,
      title: redact(fields['title'] ?? ''),
      created_at: new Date(Number(fields['created_at'])).toISOString(),
      updated_at: new Date(Number(fields['updated_at'] ?? fields['created_at'])).toISOString(),
      task_count: fields['evicted'] === undefined ? count : Number(fields['task_count']),
      ...(active ? { active_task_id: active.id } : {}),
      ...(cost_usd === undefined ? {} : { cost_usd }),
    }
  }

  const service: SessionService = {
    async list({ limit, cursor, q }) {
      let place = cursor === undefined ? undefined : decodeCursor(cursor, Place)
      const items: SessionSummary[] = []
      const text = q?.toLowerCase()
      for (;;) {
        const flat = await redis.zrevrangebyscore(
          key('sessions'),
          place ? String(place[0]) : '+inf',
          '-inf',
          'WITHSCORES',
          'LIMIT',
          0,
          limit + 100,
        )
        const entries: [number, string][] = []
        for (let i = 0; i + 1 < flat.length; i += 2) entries.push([Number(flat[i + 1]), flat[i] ?? ''])
        const fresh = entries.filter(
          ([at, id]) => !place || at < place[0] || (at === place[0] && id < place[1]),
        )
        for (const [at, id] of fresh) {
          if (items.length >= limit) {
            const next = encodeCursor(place)
            return { items, total: await redis.zcard(key('sessions')), next }
          }
          const summary = await summaryOf(id)
          place = [at, id]
          if (!summary) continue
          if (
            text === undefined ||
            summary.title.toLowerCase().includes(text) ||
            id.toLowerCase().includes(text)
          )
            items.push(summary)
        }
        if (fresh.length === 0 || entries.length < limit + 100)
          return { items, ...(text === undefined ? { total: await redis.zcard(key('sessions')) } : {}) }
      }
    },

    async get(sessionId, { limit, cursor }) {
      let after = cursor === undefined ? LOG_START : decodeCursor(cursor, LogId)
      const summary = (await archive.ready(sessionId)) ? await summaryOf(sessionId) : null
      if (!summary) return null
      const messages: SessionMessage[] = []
      let next: string | undefined
      const end = (await store.sessionFields(sessionId))?.['last_id'] ?? LOG_START
      while (compareIds(after, end) < 0) {
        const events = await store.readLog(sessionId, after, READ_PAGE)
        if (events.length === 0) break
        for (const event of events) {
          const message = messageOf(event, redact)
          if (message && messages.length >= limit) {
            next = encodeCursor(after)
            break
          }
          if (message) messages.push(message)
          after = event.id
        }
        if (next !== undefined) break
      }
      const todos = await store.readTodos(sessionId)
      const session = {
        ...summary,
        messages,
        todos: todos === null ? [] : z.array(Todo).parse(JSON.parse(todos)),
      }
      return next === undefined ? { session } : { session, next }
    },

    async delete(sessionId) {
      const mark = () => store.deleteSession(sessionId, 'session deleted', 'user')
      // What only a file knows of is found first, so that it is not found afterwards.
      if ((await mark()) === 'not_found' && !((await archive.find(sessionId)) && (await mark()) === 'marked'))
        return 'not_found'
      const until = Date.now() + PURGE_WAIT_MS
      for (;;) {
        if ((await archive.purge(sessionId)) === 'purged') return 'purged'
        if (Date.now() > until) return 'pending'
        await pause(50)
      }
    },

    fork: (sessionId, idempotencyKey) => forkSession({ store, archive, redact }, sessionId, idempotencyKey),
  }
  return {
    list: (query) => viaRedis(service.list(query)),
    get: (sessionId, query) => viaRedis(service.get(sessionId, query)),
    delete: (sessionId) => service.delete(sessionId),
    fork: (sessionId, idempotencyKey) => service.fork(sessionId, idempotencyKey),
  }
}

/** A line of the conversation as a person reads it; null for events that are none. Children are not part of it. */
const messageOf = (event: Event, redact: (text: string) => string): SessionMessage | null => {
  if (event.parent_task_id !== undefined) return null
  const { task_id } = event
  switch (event.event_type) {
    case 'task_queued':
      return { role: 'user', content: redact(event.task), task_id }
    case 'think_complete':
      return {
        role: 'assistant',
        content: redact(event.content),
        task_id,
        ...(event.tool_calls.length > 0
          ? { tool_calls: event.tool_calls.map(({ call_id, tool_name }) => ({ call_id, tool_name })) }
          : {}),
      }
    case 'tool_call_complete':
      return {
        role: 'tool',
        content: redact(event.result),
        task_id,
        call_id: event.call_id,
        tool_name: event.tool_name,
      }
    default:
      return null
  }
}

const Place = z.tuple([z.number(), z.string()])
const LogId = z.string().regex(/^\d+-\d+$/)
