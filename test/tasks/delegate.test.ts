/** A task that waits for children: what the scripts make of it, on a real Redis. */
import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import type { LogEvent, TerminalEvent } from '../../src/schemas/event.ts'
import { childId } from '../../src/tasks/delegating.ts'
import type { Ticket } from '../../src/tasks/replies.ts'
import type { Lease } from '../../src/tasks/store.ts'
import { openStore } from '../support/redis.ts'
import { TASK_FIELDS } from '../support/task-fields.ts'

const SESSION = 'the-session'
const PARENT = 'parent'
const NOTHING = { set: {}, add: {} }
const child = (index: number) => childId(PARENT, '1.1', index)
const complete = (final_answer: string): TerminalEvent => ({
  event_type: 'task_complete',
  final_answer,
  stop_reason: 'final_answer',
  total_iterations: 1,
  total_tokens: 10,
  duration: 5,
})
const START = {
  event_type: 'tool_call_start',
  iteration: 1,
  call_id: '1.1',
  tool_name: 'subagent',
  arguments: {},
  effect: 'durable',
} as const satisfies LogEvent
const delegation = (count: number, limit: number) => ({
  start: START,
  limit,
  children: Array.from({ length: count }, (_, i) => ({
    task_id: child(i),
    fields: { ...TASK_FIELDS, task: `part ${i}`, head: `part ${i}`, tool_preset: 'full', priority: '3' },
  })),
})

const setup = async (over: { tool_preset?: string } = {}) => {
  const open = openStore()
  onTestFinished(() => open[Symbol.asyncDispose]())
  const { store, redis } = open
  const begin = async (ticket: Ticket | undefined): Promise<Lease> => {
    if (!ticket) throw new Error('there is no ticket')
    const activation = randomUUID()
    const { verdict } = await store.begin(ticket, activation, 'w')
    expect(verdict).toMatch(/started|resumed/)
    return { task_id: ticket.task_id, activation }
  }
  const create = async (task_id: string) => {
    const fields = { ...TASK_FIELDS, ...over }
    const made = await store.create({ task_id, session_id: SESSION, title: 't', fields })
    return 'tickets' in made ? made.tickets : []
  }
  const [ticket] = await create(PARENT)
  const lease = await begin(ticket)
  return {
    ...open,
    begin,
    create,
    lease,
    /** The tickets of the children that may run now. */
    delegate: async (count: number, limit: number) => {
      const result = await store.delegate(lease, 1, delegation(count, limit))
      return 'tickets' in result ? result.tickets : []
    },
    finish: async (held: Lease, answer = 'done') => {
      const result = await store.finish(held, 1, [], complete(answer), { set: { answer }, add: {} })
      return 'tickets' in result ? result.tickets : []
    },
    /** Its worker has not been heard of for a lease. */
    lapse: async (id: string) => {
      await redis.hset(store.key('task', id), 'lease_until', 1)
      await redis.zadd(store.key('due'), 1, id)
    },
    timeIsUp: async (...ids: string[]) => {
      for (const id of ids) {
        await redis.hset(store.key('task', id), 'deadline', 1)
        if (await redis.zscore(store.key('due'), id)) await redis.zadd(store.key('due'), 1, id)
      }
    },
    beat: async () => (await store.beat({ id: 'other', info: '{}' }, [], 20)).tickets,
    types: async (id: string) =>
      (await store.readLog(SESSION, '0-0', 1000))
        .filter(({ task_id }) => task_id === id)
        .map(({ event_type }) => event_type),
    statuses: async (...ids: string[]) =>
      Promise.all(ids.map(async (id) => (await store.get(id))?.status ?? 'gone')),
  }
}

test('a task that delegates waits without a lease, and as many children as may run get a ticket', async () => {
  const { store, delegate, redis, statuses, types, create } = await setup()
  const tickets = await delegate(3, 2)
  expect(tickets).toEqual([0, 1].map((i) => ({ task_id: child(i), n: 1, priority: 1 })))
  expect(await statuses(PARENT, child(0), child(2))).toEqual(['waiting', 'pending', 'pending'])
  expect(await types(PARENT)).toEqual(['task_queued', 'tool_call_start'])
  expect((await store.readLog(SESSION, '0-0', 100)).at(-1)).toMatchObject({
    event_type: 'task_queued',
    task: 'part 2',
    task_id: child(2),
    parent_task_id: PARENT,
    seq: 1,
  })
  expect(await store.stats()).toMatchObject({ waiting: 1, pending: 3, running: 0 })
  expect(await create('behind')).toEqual([])
  expect(await redis.zrange(store.key('session', SESSION, 'line'), '0', '-1')).toEqual([PARENT, 'behind'])
})

test('a child has the tool preset and the deadline of its parent, whatever was asked for', async () => {
  const { store, delegate, begin, redis } = await setup({ tool_preset: 'read-only' })
  const [ticket] = await delegate(1, 1)
  const parent = await store.get(PARENT)
  expect(await store.get(child(0))).toMatchObject({ tool_preset: 'read-only', deadline: parent?.deadline })
  await redis.hset(store.key('task', child(0)), 'tool_preset', 'full')
  await begin(ticket)
  expect(await store.get(child(0))).toMatchObject({ tool_preset: 'read-only', deadline: parent?.deadline })
})

test('the end of a child starts the next one, and the end of the last one wakes the parent', async () => {
  const { delegate, begin, finish, statuses, store } = await setup()
  const [first] = await delegate(2, 1)
  const second = await finish(await begin(first))
  expect(second).toEqual([{ task_id: child(1), n: 1, priority: 1 }])
  expect(await statuses(PARENT)).toEqual(['waiting'])
  const woken = await finish(await begin(second[0]))
  expect(woken).toEqual([{ task_id: PARENT, n: 2, priority: 1 }])
  await begin(woken[0])
  expect(await store.get(PARENT)).toMatchObject({ status: 'running', attempt: 2, resume_reason: 'woken' })
})

test('a child that was lost comes back, and one that is cancelled alone lets the others and the parent go on', async () => {
  const { delegate, begin, finish, lapse, beat, store, statuses } = await setup()
  const [first] = await delegate(2, 1)
  await begin(first)
  await lapse(child(0))
  const [again] = await beat()
  expect(again).toMatchObject({ task_id: child(0), n: 2 })
  expect(await store.cancel(child(0), 'no', 'user')).toMatchObject({
    verdict: 'cancelled',
    tickets: [{ task_id: child(1) }],
  })
  const woken = await finish(await begin({ task_id: child(1), n: 1, priority: 1 }))
  expect(woken).toMatchObject([{ task_id: PARENT }])
  expect(await statuses(PARENT, child(0), child(1))).toEqual(['pending', 'cancelled', 'completed'])
})

test('a cancelled parent ends at once with its children when none is at work', async () => {
  const { store, delegate, types, create } = await setup()
  await delegate(3, 2)
  await create('behind')
  expect(await store.cancel(PARENT, 'enough', 'user')).toMatchObject({
    verdict: 'cancelled',
    status: 'cancelled',
    tickets: [{ task_id: 'behind' }],
  })
  expect(await types(child(0))).toEqual(['task_queued', 'task_cancelled'])
  expect(await types(child(2))).toEqual(['task_queued', 'task_cancelled'])
  expect((await store.readLog(SESSION, '0-0', 100)).at(-1)).toMatchObject({
    task_id: PARENT,
    event_type: 'task_cancelled',
    reason: 'enough',
  })
})

test('a cancelled parent ends when its last child at work has let go', async () => {
  const { store, delegate, begin, finish, statuses, redis, beat, lapse } = await setup()
  const [one, two] = await delegate(3, 2)
  const [first] = [await begin(one), await begin(two)]
  expect(await store.cancel(PARENT, 'enough', 'user')).toMatchObject({ verdict: 'flagged' })
  expect(await statuses(PARENT, child(0), child(2))).toEqual(['waiting', 'running', 'cancelled'])
  expect(await redis.hget(store.key('task', child(1)), 'cancel')).toBe('enough')
  await finish(first)
  expect(await statuses(PARENT, child(0), child(1))).toEqual(['waiting', 'cancelled', 'running'])
  await lapse(child(1))
  await beat()
  expect(await statuses(PARENT, child(1))).toEqual(['cancelled', 'cancelled'])
})

test('a task that is to be cancelled makes no children', async () => {
  const { store, lease, statuses, types } = await setup()
  await store.cancel(PARENT, 'no', 'user')
  expect(await store.delegate(lease, 1, delegation(1, 1))).toEqual({ verdict: 'cancel' })
  expect(await statuses(PARENT, child(0))).toEqual(['running', 'gone'])
  expect(await types(PARENT)).toEqual(['task_queued'])
})

test('when the time is up children that are not at work end, then the last one, then the parent', async () => {
  const { store, delegate, begin, statuses, timeIsUp, beat, lapse } = await setup()
  const [one] = await delegate(3, 2)
  await begin(one)
  await timeIsUp(PARENT, child(0), child(1), child(2))
  await beat()
  expect(await statuses(PARENT, child(0), child(1), child(2))).toEqual([
    'waiting',
    'running',
    'failed',
    'failed',
  ])
  await lapse(child(0))
  await beat()
  expect(await store.get(child(0))).toMatchObject({ status: 'failed', stop_reason: 'timeout' })
  expect(await store.get(PARENT)).toMatchObject({ status: 'failed', stop_reason: 'timeout' })
})

test('a cancel wins over the time, for a task that waits and its children', async () => {
  const { store, redis, delegate, begin, statuses, timeIsUp, beat } = await setup()
  const [one] = await delegate(2, 2)
  await begin(one)
  await store.cancel(PARENT, 'enough', 'user')
  await timeIsUp(PARENT, child(0))
  // Silent too, and its parent is looked at before it.
  await redis.hset(store.key('task', child(0)), 'lease_until', 1)
  await redis.zadd(store.key('due'), 2, child(0))
  await beat()
  expect(await statuses(PARENT, child(0), child(1))).toEqual(['cancelled', 'cancelled', 'cancelled'])
})

test('who lost the task, or is not where its log is, delegates nothing', async () => {
  const { store, lease, statuses } = await setup()
  expect(await store.delegate({ ...lease, activation: 'x' }, 1, delegation(1, 1))).toMatchObject({
    verdict: 'lost',
  })
  expect(await store.delegate(lease, 7, delegation(1, 1))).toMatchObject({ verdict: 'lost' })
  expect(await statuses(PARENT, child(0))).toEqual(['running', 'gone'])
  await store.delegate(lease, 1, delegation(1, 1))
  expect(await store.append(lease, 2, [START], NOTHING)).toMatchObject({ verdict: 'lost' })
})

test('a deleted session takes its children along, once none of them is at work', async () => {
  const { store, redis, delegate, begin, lapse, statuses } = await setup()
  const [one] = await delegate(2, 1)
  await begin(one)
  await store.deleteSession(SESSION, 'deleted', 'user')
  expect(await store.purgeSession(SESSION)).toBe('busy')
  expect(await redis.hget(store.key('task', PARENT), 'status'), 'while a child works').toBe('waiting')
  await lapse(child(0))
  expect(await store.purgeSession(SESSION)).toBe('purged')
  expect(await statuses(PARENT, child(0), child(1))).toEqual(['gone', 'gone', 'gone'])
})

test('children are trimmed with their parent and never before it', async () => {
  const { store, delegate, begin, finish, create, statuses } = await setup()
  const [one] = await delegate(2, 2)
  await create('behind')
  await finish(await begin(one))
  const [woken] = await finish(await begin({ task_id: child(1), n: 1, priority: 1 }))
  const parent = await begin(woken)
  await store.keeping.trim(SESSION, { entries: 1, retentionMs: 1e9 })
  expect(await statuses(PARENT, child(0), child(1))).toEqual(['running', 'completed', 'completed'])
  await store.finish(parent, 2, [], complete('all'), NOTHING)
  await store.keeping.trim(SESSION, { entries: 5, retentionMs: 1e9 })
  expect(await statuses(PARENT, child(0), child(1), 'behind')).toEqual(['gone', 'gone', 'gone', 'pending'])
})

test('the newest task of a session keeps its children', async () => {
  const { store, delegate, begin, finish, statuses } = await setup()
  const [one] = await delegate(1, 1)
  const [woken] = await finish(await begin(one))
  await store.finish(await begin(woken), 2, [], complete('all'), NOTHING)
  await store.keeping.trim(SESSION, { entries: 1, retentionMs: 1e9 })
  expect(await statuses(PARENT, child(0))).toEqual(['completed', 'completed'])
})

test('a session restored from a copy made while a task waited ends the task and its children, once each', async () => {
  const { store, redis, delegate, begin } = await setup()
  const [one] = await delegate(2, 1)
  await begin(one)
  const ids = [PARENT, child(0), child(1)]
  const records = await Promise.all(ids.map((id) => redis.hgetall(store.key('task', id))))
  const last_id = (await store.sessionFields(SESSION))?.['last_id'] ?? ''
  const entries = await store.keeping.rawPage(SESSION, '0-0', last_id, 100)

  const copy = openStore()
  onTestFinished(() => copy[Symbol.asyncDispose]())
  const { keeping } = copy.store
  await keeping.importStub(SESSION, { title: 't', created_at: '1', last_id }, 1)
  await keeping.stage('token', records, entries)
  const staged = { tasks: records.length, entries: entries.length, todos: '', last_id }
  expect(await keeping.restore(SESSION, 'token', staged)).toBe('restored')
  for (const id of ids)
    expect(await copy.store.get(id)).toMatchObject({ status: 'failed', error: { code: 'restored' } })
  const ends = (await copy.store.readLog(SESSION, '0-0', 100)).filter(
    ({ event_type }) => event_type === 'task_failed',
  )
  expect(ends.map(({ task_id }) => task_id).toSorted()).toEqual(ids)
  expect(await copy.store.stats()).toMatchObject({ failed: 3, pending: 0, waiting: 0, running: 0 })
  expect(await copy.redis.zrange(copy.store.key('session', SESSION, 'tasks'), '0', '-1')).toEqual(ids)
})

test('a fork leaves out the children of a task that has not ended', async () => {
  const { store, delegate, begin, finish } = await setup()
  const [one] = await delegate(2, 1)
  await finish(await begin(one))
  await store.keeping.fork(SESSION, 'the-fork')
  expect(await store.readLog('the-fork', '0-0', 100)).toEqual([])
  await store.cancel(PARENT, 'enough', 'user')
  await store.keeping.fork(SESSION, 'another-fork')
  expect(await store.readLog('another-fork', '0-0', 100)).toHaveLength(
    (await store.readLog(SESSION, '0-0', 100)).length,
  )
})
