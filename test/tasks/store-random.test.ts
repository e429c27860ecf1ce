/** Whatever happens in whatever order: one end for each task, no gap in its log, every index agrees with the records. */
import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { type Event, isTerminal, type LogEvent, type TerminalEvent } from '../../src/schemas/event.ts'
import { isEnded, TASK_STATUSES, type TaskStatus } from '../../src/schemas/task.ts'
import type { Ticket } from '../../src/tasks/replies.ts'
import type { Lease } from '../../src/tasks/store.ts'
import { openStore } from '../support/redis.ts'
import { TASK_FIELDS } from '../support/task-fields.ts'

const SESSIONS = ['a', 'b', 'c', 'd']
const STEPS = 400
const iteration: LogEvent = { event_type: 'iteration_start', iteration: 1, max_iterations: 10 }
const complete: TerminalEvent = {
  event_type: 'task_complete',
  final_answer: 'done',
  stop_reason: 'final_answer',
  total_iterations: 1,
  total_tokens: 10,
  duration: 5,
}

test.for([11, 12, 13, 14, 15])(
  'records, logs and indexes agree after any history (seed %i)',
  async (seed) => {
    const open = openStore({ leaseMs: 60_000 })
    onTestFinished(() => open[Symbol.asyncDispose]())
    const { store, redis } = open
    const random = randomNumbers(seed)
    const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)] as T
    const ids: string[] = []
    const tickets: Ticket[] = []
    /** Of all activations ever, most of them void by now, with the seq they believe in. */
    const activations: (Lease & { seq: number })[] = []
    const keep = (result: object) => {
      if ('tickets' in result) tickets.push(...(result.tickets as Ticket[]))
    }
    const beat = async () => {
      await redis.del(store.key('last_beat'))
      keep(await store.beat({ id: 'w', info: '{}' }, [], 5))
    }

    const moves = {
      async create() {
        const task_id = `task-${randomUUID()}`
        ids.push(task_id)
        const scheduled = random() < 0.2
        keep(
          await store.create({
            task_id,
            session_id: pick(SESSIONS),
            title: 't',
            fields: TASK_FIELDS,
            ...(scheduled ? { run_at_ms: Date.now() + 3_600_000 } : {}),
          }),
        )
      },
      async begin() {
        const { task_id, n } = pick(tickets)
        const activation = randomUUID()
        const result = await store.begin({ task_id, n }, activation, 'w')
        if ('record' in result) activations.push({ task_id, activation, seq: result.record.seq })
        else keep(result)
      },
      async append() {
        const lease = pick(activations)
        const result = await store.append(lease, lease.seq, [iteration, iteration], { set: {}, add: {} })
        if (result.verdict === 'ok' && random() < 0.8) lease.seq += 2
      },
      async finish() {
        const lease = pick(activations)
        const terminal = random() < 0.7 ? complete : null
        keep(await store.finish(lease, lease.seq, [iteration], terminal, { set: {}, add: {} }))
      },
      async release() {
        keep(await store.release(pick(activations), 'drained'))
      },
      async cancel() {
        keep(await store.cancel(pick(ids), 'no', 'user'))
      },
      /** Time passes for one task: its lease, its schedule, its pause, its deadline, or its ticket is lost. */
      async due() {
        const id = pick(ids)
        const key = store.key('task', id)
        const status = await redis.hget(key, 'status')
        if (status === 'running') {
          await redis.hset(key, 'lease_until', 1)
          await redis.zadd(store.key('due'), 1, id)
        } else if (status === 'pending') {
          if (random() < 0.1 && (await redis.hexists(key, 'deadline'))) await redis.hset(key, 'deadline', 1)
          await redis.zadd(store.key('due'), 'XX', 1, id)
          await redis.zadd(store.key('due:tickets'), 'XX', 1, id)
        }
      },
      beat,
    }
    // Named as often as it is to happen.
    const weighted =
      'create create begin begin begin append append finish release cancel due due beat beat'.split(
        ' ',
      ) as (keyof typeof moves)[]
    await moves.create()
    while (tickets.length === 0) await moves.create()
    while (activations.length === 0) await moves.begin()
    for (let step = 0; step < STEPS; step++) await moves[pick(weighted)]()

    const logs = new Map<string, Event[]>()
    for (const session of SESSIONS)
      for (const event of await store.readLog(session, '0-0', 10_000))
        logs.set(event.task_id, [...(logs.get(event.task_id) ?? []), event])
    const lines = await Promise.all(
      SESSIONS.map((session) => redis.zrange(store.key('session', session, 'line'), '0', '-1')),
    )
    const heads = new Set(lines.map(([head]) => head))
    const line = lines.flat()
    const members = await Promise.all(
      TASK_STATUSES.map(async (status) => ({
        status,
        ids: await redis.zrange(store.key('status', status), '0', '-1'),
      })),
    )
    expect(members.flatMap((index) => index.ids)).toHaveLength(ids.length)
    const due = await redis.zrange(store.key('due'), '0', '-1')
    const dueTickets = await redis.zrange(store.key('due:tickets'), '0', '-1')
    for (const id of ids) {
      const record = await store.get(id)
      const log = logs.get(id) ?? []
      if (!record) throw new Error(`${id} is no more`)
      const has = { status: record.status, indexed: members.find((index) => index.ids.includes(id))?.status }
      expect(has).toEqual({ status: record.status, indexed: record.status })
      expect(log.map(({ seq }) => seq)).toEqual(log.map((_, i) => i + 1))
      expect(record.seq).toBe(log.length)
      expect(log.filter(isTerminal)).toHaveLength(isEnded(record.status) ? 1 : 0)
      expect(record.end_id).toBe(log.find(isTerminal)?.id)
      expect(log.slice(0, -1).some(isTerminal)).toBe(false)
      const looked = { due: due.includes(id), ticket: dueTickets.includes(id), line: line.includes(id) }
      expect({ ...looked, head: heads.has(id) }).toSatisfy(agreesWith(record.status), record.status)
    }
  },
)

/** What the indexes may say of a task: whoever runs or can run is looked after, who ended is in none. */
const agreesWith =
  (status: TaskStatus) => (is: { due: boolean; ticket: boolean; line: boolean; head: boolean }) => {
    switch (status) {
      case 'running':
        return is.due && !is.ticket && is.line && is.head
      case 'pending':
        if (is.head) return is.due || is.ticket
        // Behind another it needs nobody; outside its line it waits for its time.
        return is.due !== is.line && !is.ticket
      case 'waiting':
      case 'completed':
      case 'failed':
      case 'cancelled':
        return !is.due && !is.ticket && !is.line
    }
  }

/** Repeatable random numbers, 0–1 (mulberry32). */
function randomNumbers(seed: number) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
