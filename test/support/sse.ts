/** Clients of the event streams, and a worker's hand that makes events through the store. */

import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { EventSource } from 'eventsource'
import {
  EphemeralEvent,
  type LogEvent,
  TERMINAL_EVENTS,
  type TerminalEvent,
} from '../../src/schemas/event.ts'
import { ephemeralMessage } from '../../src/tasks/feed.ts'
import type { Store } from '../../src/tasks/store.ts'

/** One SSE event as a client saw it; `id` is empty when it saw none before and the event has none. */
export interface Seen {
  type: string
  id: string
  data: Record<string, unknown>
}

export type Watch = ReturnType<typeof watch>

const NAMES = [
  'connected',
  'log_truncated',
  'task_queued',
  'task_started',
  'task_resumed',
  'iteration_start',
  'model_call_start',
  'model_call_end',
  'assistant_message',
  'think_complete',
  'tool_call_start',
  'tool_call_stream',
  'tool_call_complete',
  'iteration_complete',
  'context_compression',
  ...TERMINAL_EVENTS,
]
const PATIENCE_MS = 18_000

/** An EventSource on `url` that remembers what it saw. `lastEventId` is its header on the first connect. */
export const watch = (url: string, { lastEventId }: { lastEventId?: string } = {}) => {
  const seen: Seen[] = []
  const statuses: number[] = []
  const waiting = new Set<() => void>()
  const source = new EventSource(url, {
    fetch: async (input, init) => {
      const resume = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId }
      const answer = await fetch(input, { ...init, headers: { ...resume, ...init.headers } })
      statuses.push(answer.status)
      return answer
    },
  })
  const changed = () => {
    for (const look of waiting) look()
  }
  for (const type of NAMES) {
    source.addEventListener(type, (event) => {
      seen.push({ type, id: event.lastEventId, data: JSON.parse(String(event.data)) as Seen['data'] })
      changed()
    })
  }
  source.addEventListener('error', (event) => {
    if ('data' in event && typeof event.data === 'string') {
      const { lastEventId: id } = event as unknown as MessageEvent
      seen.push({ type: 'error', id, data: JSON.parse(event.data) as Seen['data'] })
    }
    changed()
  })
  const until = (what: string, isSo: () => boolean) =>
    new Promise<void>((resolve, reject) => {
      const finish = () => {
        waiting.delete(look)
        clearTimeout(timer)
      }
      const timer = setTimeout(() => {
        finish()
        reject(new Error(`waited for ${what}; saw ${seen.map(({ type, id }) => `${type}@${id}`).join(' ')}`))
      }, PATIENCE_MS)
      const look = () => {
        if (!isSo()) return
        finish()
        resolve()
      }
      waiting.add(look)
      look()
    })
  const durable = () => seen.filter(({ data }) => data['seq'] !== undefined)
  return {
    seen,
    /** Of each connect, in order. */
    statuses,
    durable,
    ids: () => durable().map(({ data }) => String(data['id'])),
    until,
    untilConnected: () => until('connected', () => seen.some(({ type }) => type === 'connected')),
    untilId: (id: string) => until(`event ${id}`, () => durable().some((event) => event.data['id'] === id)),
    untilType: (type: string, times = 1) =>
      until(`${times} ${type}`, () => seen.filter((event) => event.type === type).length >= times),
    /** When the client has given up for good (204). */
    untilClosed: () => until('the end', () => source.readyState === source.CLOSED),
    [Symbol.dispose]: () => source.close(),
  }
}

/** The bytes of a stream as text, for what an EventSource hides. */
export const readRaw = async (url: string, headers: Record<string, string> = {}) => {
  const ending = new AbortController()
  const answer = await fetch(url, { headers, signal: ending.signal })
  const decoder = new TextDecoder()
  const reader = answer.body?.getReader()
  let text = ''
  const more = async () => {
    const chunk = await reader?.read()
    if (chunk === undefined || chunk.done) return false
    text += decoder.decode(chunk.value, { stream: true })
    return true
  }
  return {
    status: answer.status,
    headers: answer.headers,
    /** Throws when the stream ends before. */
    async until(pattern: RegExp) {
      while (!pattern.test(text)) if (!(await more())) throw new Error(`ended without ${pattern}: ${text}`)
      return text
    },
    async untilEnd() {
      while (await more());
      return text
    },
    [Symbol.dispose]: () => ending.abort(),
  }
}

export type FakeWorker = Awaited<ReturnType<typeof queueTask>>

/** A task whose events the test makes, as a worker would. */
export const queueTask = async (
  store: Store,
  sessionId: string,
  task = 'look around',
  task_id = `task-${randomUUID()}`,
) => {
  const lease = { task_id, activation: randomUUID() }
  let attempt = 0
  let seq = 1
  const created = await store.create({
    task_id,
    session_id: sessionId,
    title: task.slice(0, 80),
    fields: {
      task,
      head: task.slice(0, 1000),
      agent_preset: 'default',
      tool_preset: 'full',
      model: 'gpt-4o-mini',
      max_iterations: '10',
      timeout_s: '600',
      priority: '5',
    },
  })
  if (created.verdict !== 'created') throw new Error(`the task was ${created.verdict}`)
  const append = async (...events: LogEvent[]): Promise<string[]> => {
    const result = await store.append(lease, seq, events, { set: {}, add: {} })
    if (result.verdict !== 'ok') throw new Error(`append: ${result.why}`)
    seq += events.length
    return result.ids
  }
  return {
    task_id,
    session_id: sessionId,
    append,
    /** Takes the task, or takes it back after `release`; its session must have come to it. */
    async begin(): Promise<string[]> {
      attempt += 1
      lease.activation = randomUUID()
      const { verdict } = await store.begin({ task_id, n: attempt }, lease.activation, 'w1')
      if (verdict !== 'started' && verdict !== 'resumed') throw new Error(`begin: ${verdict}`)
      if (verdict === 'started')
        return append({
          event_type: 'task_started',
          worker: 'w1',
          attempt,
          tools: { allowed: [], denied: [] },
        })
      return append({
        event_type: 'task_resumed',
        worker: 'w1',
        attempt,
        from_iteration: 1,
        reason: 'drained',
      })
    },
    release: () => store.release(lease, 'drained'),
    async finish(terminal: TerminalEvent = completed()): Promise<void> {
      const result = await store.finish(lease, seq, [], terminal, { set: {}, add: {} })
      if (result.verdict !== 'ok') throw new Error(`finish: ${result.why}`)
    },
    /** `say`, until somebody has heard it: pieces that a stream is sent while it catches up are left out. */
    async sayUntil(heard: Promise<unknown>, delta: string): Promise<void> {
      const isHeard = heard.then(() => true)
      do await this.say(delta)
      while (!(await Promise.race([isHeard, pause(50, false)])))
    },
    /** An ephemeral piece of the answer, by this attempt or another. */
    say: (delta: string, by = attempt) =>
      store.publish(
        sessionId,
        ephemeralMessage(
          task_id,
          Date.now(),
          EphemeralEvent.parse({
            event_type: 'assistant_message',
            attempt: by,
            iteration: 1,
            offset: 0,
            delta,
          }),
        ),
      ),
  }
}

/** A task that has begun. */
export const runTask = async (store: Store, sessionId: string, task?: string): Promise<FakeWorker> => {
  const worker = await queueTask(store, sessionId, task)
  await worker.begin()
  return worker
}

export const completed = (final_answer = 'done'): TerminalEvent => ({
  event_type: 'task_complete',
  final_answer,
  stop_reason: 'final_answer',
  total_iterations: 1,
  total_tokens: 3,
  duration: 1,
})

export const step = (iteration: number): LogEvent => ({
  event_type: 'iteration_start',
  iteration,
  max_iterations: 1_000_000,
})

/** An event of about this many bytes. */
export const large = (bytes: number): LogEvent => ({
  event_type: 'tool_call_start',
  iteration: 1,
  call_id: '1.0',
  tool_name: 'bash',
  // Several pieces, since clients are sent 16 000 characters of one text at the most.
  arguments: { pieces: Array.from({ length: Math.ceil(bytes / 10_000) }, () => 'x'.repeat(10_000)) },
  effect: 'read',
})

export const newSession = () => `s-${randomUUID()}`

/** The ids of a session's whole log. */
export const logIds = async (store: Store, sessionId: string): Promise<string[]> => {
  const ids: string[] = []
  for (;;) {
    const page = await store.readLog(sessionId, ids.at(-1) ?? '0-0', 1000)
    if (page.length === 0) return ids
    ids.push(...page.map(({ id }) => id))
  }
}
