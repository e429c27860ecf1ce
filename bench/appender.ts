/**
 * Appends events as a worker does, through the store and an activation's emitter, but without an agent: sessions
 * `bench-0`, `bench-1` … with one running task each. Orders: `make UPTO` sessions; `append SESSIONS RATE SECONDS`:
 * so many events a second in all, session after session, each with the time it was sent.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Emitter } from '../src/agent/agent.ts'
import type { LogEvent } from '../src/schemas/event.ts'
import { createStore, LEASE_MS } from '../src/tasks/store.ts'
import { createEmitter } from '../workers/emitter.ts'
import { createLeaseClock, monotonicMs } from '../workers/lease.ts'
import { now, obeyOrders } from './orders.ts'

const { REDIS_URL = '', PREFIX = '' } = process.env
const MADE_AT_ONCE = 32
const redis = new Redis(REDIS_URL, { maxRetriesPerRequest: null })
const store = createStore({ redis, prefix: PREFIX, leaseMs: LEASE_MS })

const begunTask = async (sessionId: string): Promise<Emitter> => {
  const lease = { task_id: `task-${sessionId}`, activation: randomUUID() }
  const task = 'say that it works'
  await store.create({
    task_id: lease.task_id,
    session_id: sessionId,
    title: task,
    fields: {
      task,
      head: task,
      agent_preset: 'default',
      tool_preset: 'full',
      model: 'bench',
      max_iterations: '10',
      timeout_s: '600',
      priority: '5',
    },
  })
  const sentAt = monotonicMs()
  const begun = await store.begin({ task_id: lease.task_id, n: 1 }, lease.activation, 'bench')
  if (!('record' in begun)) throw new Error(`begin: ${begun.verdict}`)
  return createEmitter({
    store,
    lease,
    clock: createLeaseClock(LEASE_MS, sentAt),
    sessionId,
    seq: begun.record.seq,
    onCancel: () => {},
    onRefused: (refusal) => {
      throw new Error(`append: ${refusal.why}`)
    },
  })
}

/** About 350 bytes as a client sees it. */
const stamped = (): LogEvent => ({
  event_type: 'tool_call_complete',
  call_id: `sent:${now()}`,
  tool_name: 'bench',
  result: 'Something a tool has found out. '.repeat(4),
  duration: 1,
})

const emitters: Emitter[] = []

await obeyOrders({
  async make(upTo = 0) {
    for (let first = emitters.length; first < upTo; first = emitters.length) {
      const count = Math.min(MADE_AT_ONCE, upTo - first)
      const names = Array.from({ length: count }, (_, i) => `bench-${first + i}`)
      emitters.push(...(await Promise.all(names.map(begunTask))))
    }
  },
  async append(sessions = 1, rate = 1, seconds = 1) {
    const total = rate * seconds
    const began = now()
    for (let sent = 0; sent < total; await pause(1)) {
      const due = Math.min(total, Math.floor(((now() - began) * rate) / 1000))
      for (; sent < due; sent += 1) emitters[sent % sessions]?.emit(stamped())
    }
    const took = now() - began
    await Promise.all(emitters.slice(0, sessions).map((emitter) => emitter.commit()))
    return { appended: total, rate: (total * 1000) / took }
  },
})
redis.disconnect()
