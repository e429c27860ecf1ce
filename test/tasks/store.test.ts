/** What each script but `beat` does to a task and its session, on a real Redis. */
import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import type { LogEvent, TerminalEvent } from '../../src/schemas/event.ts'
import type { Ticket } from '../../src/tasks/replies.ts'
import type { Lease, NewTask } from '../../src/tasks/store.ts'
import { openStore } from '../support/redis.ts'
import { TASK_FIELDS } from '../support/task-fields.ts'

const SESSION = 'the-session'
const NOTHING = { set: {}, add: {} }
const iteration = (n: number): LogEvent => ({
  event_type: 'iteration_start',
  iteration: n,
  max_iterations: 10,
})
const complete = (final_answer = 'done'): TerminalEvent => ({
  event_type: 'task_complete',
  final_answer,
  stop_reason: 'final_answer',
  total_iterations: 1,
  total_tokens: 10,
  duration: 5,
})

const setup = () => {
  const open = openStore()
  onTestFinished(() => open[Symbol.asyncDispose]())
  const { store, redis } = open
  const newTask = (over: Partial<NewTask> = {}): NewTask => ({
    task_id: `task-${randomUUID()}`,
    session_id: SESSION,
    title: 'a title',
    ...over,
    fields: { ...TASK_FIELDS, ...over.fields },
  })
  const create = async (over: Partial<NewTask> = {}) => {
    const task = newTask(over)
    const result = await store.create(task)
    if (result.verdict !== 'created') throw new Error(result.verdict)
    return { id: task.task_id, tickets: result.tickets }
  }
  const begin = async (ticket: Ticket | undefined): Promise<Lease> => {
    const activation = randomUUID()
    const result = await store.begin(ticket as Ticket, activation, 'w')
    expect(result.verdict).toMatch(/started|resumed/)
    return { task_id: (ticket as Ticket).task_id, activation }
  }
  return {
    ...open,
    newTask,
    create,
    begin,
    running: async (over: Partial<NewTask> = {}) => {
      const { tickets } = await create(over)
      return begin(tickets[0])
    },
    /** Its worker has not been heard of for a lease. */
    lapse: async (id: string) => {
      await redis.hset(store.key('task', id), 'lease_until', 1)
      await redis.zadd(store.key('due'), 1, id)
    },
    /** Without BullMQ's own. */
    keysLeft: async () =>
      (await redis.keys(`${open.prefix}*`)).filter(
        (key) => !key.startsWith(store.key('tickets')) && key !== store.key('counts'),
      ),
    events: async (id: string) =>
      (await store.readLog(SESSION, '0-0', 1000)).filter(({ task_id }) => task_id === id),
    types: async (id: string) =>
      (await store.readLog(SESSION, '0-0', 1000))
        .filter(({ task_id }) => task_id === id)
        .map(({ event_type }) => event_type),
  }
}

test('the first task of a session gets a ticket, the next ones wait in line behind it', async () => {
  const { create, events, redis, store } = setup()
  const first = await create()
  const second = await create({ fields: { priority: '0' } })
  expect(first.tickets).toEqual([{ task_id: first.id, n: 1, priority: 7 }])
  expect(second.tickets).toEqual([])
  expect(await events(first.id)).toMatchObject([{ event_type: 'task_queued', seq: 1, position: 1 }])
  expect(await events(second.id)).toMatchObject([{ event_type: 'task_queued', seq: 1, position: 2 }])
  expect(await redis.zrange(store.key('session', SESSION, 'line'), '0', '-1')).toEqual([first.id, second.id])
  expect(await store.get(second.id)).toMatchObject({ status: 'pending', seq: 1, attempt: 0 })
  expect(await store.stats()).toMatchObject({ pending: 2, running: 0 })
})

test('tasks of different sessions all get a ticket, by their priority', async () => {
  const { create } = setup()
  const { tickets } = await create({ session_id: 'a', fields: { priority: '0' } })
  expect([tickets, (await create({ session_id: 'b' })).tickets]).toMatchObject([
    [{ priority: 2 }],
    [{ priority: 7 }],
  ])
})

test('a session keeps the title of its first task', async () => {
  const { create, store } = setup()
  await create({ title: 'one' })
  await create({ title: 'two' })
  expect(await store.sessionFields(SESSION)).toMatchObject({ title: 'one' })
})

test('the same task created twice is there once and gives its ticket again', async () => {
  const { newTask, store, types } = setup()
  const task = newTask()
  const first = await store.create(task)
  expect(await store.create(task)).toEqual(first)
  expect(await types(task.task_id)).toEqual(['task_queued'])
  expect(await store.stats()).toMatchObject({ pending: 1 })
})

test('a task created again after it began gives no ticket', async () => {
  const { newTask, store, begin } = setup()
  const task = newTask()
  const first = await store.create(task)
  await begin('tickets' in first ? first.tickets[0] : undefined)
  expect(await store.create(task)).toEqual({ verdict: 'created', tickets: [] })
})

test('an idempotency key answers as the first time for the same body, and refuses another', async () => {
  const { newTask, store } = setup()
  const task = (hash: string) => newTask({ idempotency: { key: 'k', hash, answer: `{"for":"${hash}"}` } })
  expect(await store.create(task('x'))).toMatchObject({ verdict: 'created' })
  expect(await store.create(task('x'))).toEqual({ verdict: 'replayed', answer: '{"for":"x"}' })
  expect(await store.create(task('y'))).toEqual({ verdict: 'conflict' })
  expect(await store.stats()).toMatchObject({ pending: 1 })
})

test('an idempotency key is kept for a day', async () => {
  const { create, redis, store } = setup()
  await create({ idempotency: { key: 'k', hash: 'h', answer: '{}' } })
  expect(await redis.ttl(store.key('idem', 'k'))).toBeGreaterThan(86_000)
})

test('a run_at that has passed already is no reason to wait', async () => {
  const { create } = setup()
  expect((await create({ run_at_ms: 1000 })).tickets).toHaveLength(1)
})

test('a scheduled task stands in no line and lets others pass', async () => {
  const { create, events, redis, store } = setup()
  const run_at = '2999-01-01T00:00:00.000Z'
  const later = await create({ run_at_ms: Date.parse(run_at), fields: { run_at } })
  expect(later.tickets).toEqual([])
  expect((await events(later.id))[0]).toMatchObject({ event_type: 'task_queued', run_at })
  expect((await events(later.id))[0]).not.toHaveProperty('position')
  expect((await create()).tickets).toHaveLength(1)
  expect(await redis.zscore(store.key('due'), later.id)).toBe(String(Date.parse(run_at)))
})

test('begin gives the task to the first activation only', async () => {
  const { create, store, redis } = setup()
  const { id, tickets } = await create()
  const [ticket] = tickets as [Ticket]
  const first = await store.begin(ticket, 'a', 'w1')
  expect(first).toMatchObject({
    verdict: 'started',
    record: { id, status: 'running', attempt: 1, worker: 'w1', seq: 1 },
  })
  expect(await store.begin(ticket, 'b', 'w2')).toEqual({ verdict: 'held', tickets: [] })
  expect(await redis.hget(store.key('task', id), 'activation')).toBe('a')
})

test('begin asked again by the same activation answers the same and counts one attempt', async () => {
  const { create, store } = setup()
  const { tickets } = await create()
  const [ticket] = tickets as [Ticket]
  const first = await store.begin(ticket, 'a', 'w')
  expect(await store.begin(ticket, 'a', 'w')).toEqual({ ...first, now: expect.any(Number) })
})

test('the time allowed runs from the first activation on', async () => {
  const { running, store, begin } = setup()
  const lease = await running({ fields: { timeout_s: '0.5' } })
  const first = await store.get(lease.task_id)
  expect((first?.deadline ?? 0) - (first?.started_at ?? 0)).toBe(500)
  const released = await store.release(lease, 'drained')
  await begin('tickets' in released ? released.tickets[0] : undefined)
  expect(await store.get(lease.task_id)).toMatchObject({
    started_at: first?.started_at,
    deadline: first?.deadline,
  })
})

test('a ticket that is not the current one is stale', async () => {
  const { create, store, begin } = setup()
  const { id, tickets } = await create()
  const lease = await begin(tickets[0])
  await store.release(lease, 'drained')
  expect(await store.begin({ task_id: id, n: 1 }, 'b', 'w')).toMatchObject({ verdict: 'stale' })
  expect(await store.begin({ task_id: id, n: 3 }, 'b', 'w')).toMatchObject({ verdict: 'stale' })
  expect(await store.begin({ task_id: id, n: 2 }, 'b', 'w')).toMatchObject({ verdict: 'resumed' })
})

test('a task behind another in its line cannot begin', async () => {
  const { create, store } = setup()
  await create()
  const second = await create()
  expect(await store.begin({ task_id: second.id, n: 1 }, 'a', 'w')).toMatchObject({ verdict: 'stale' })
})

test('begin tells ended, cancelled and unknown tasks apart', async () => {
  const { create, running, store } = setup()
  const lease = await running()
  await store.finish(lease, 1, [], complete(), NOTHING)
  const cancelled = await create()
  await store.cancel(cancelled.id, 'no', 'user')
  const verdict = async (task_id: string) => (await store.begin({ task_id, n: 1 }, 'z', 'w')).verdict
  expect(await verdict(lease.task_id)).toBe('ended')
  expect(await verdict(cancelled.id)).toBe('cancelled')
  expect(await verdict('nobody')).toBe('gone')
})

test('a task whose time is up when it would begin again ends, and the next one gets its ticket', async () => {
  const { running, create, store, redis, types } = setup()
  const lease = await running()
  const next = await create()
  await store.release(lease, 'drained')
  await redis.hset(store.key('task', lease.task_id), 'deadline', 1)
  const ticket = { task_id: lease.task_id, n: 2 }
  const answer = { verdict: 'ended', tickets: [{ task_id: next.id, n: 1, priority: 7 }] }
  expect(await store.begin(ticket, 'b', 'w')).toEqual(answer)
  expect(await store.begin(ticket, 'b', 'w')).toEqual(answer)
  expect(await store.get(lease.task_id)).toMatchObject({ status: 'failed', error: { code: 'timeout' } })
  expect(await types(lease.task_id)).toEqual(['task_queued', 'task_failed'])
})

test('append writes events in order, sets fields, adds to counters and renews the lease', async () => {
  const { running, store, events, redis } = setup()
  const lease = await running()
  const task = store.key('task', lease.task_id)
  await redis.hset(task, 'lease_until', 1)
  const progress = { set: { iteration: 2 }, add: { model_calls: 1, input_tokens: 5 } }
  const first = await store.append(lease, 1, [iteration(1), iteration(2)], progress)
  expect(first).toMatchObject({ verdict: 'ok', cancel: false })
  await store.append(lease, 3, [iteration(3)], { set: {}, add: { input_tokens: 6 } })
  const log = await events(lease.task_id)
  expect(log.map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
  expect('ids' in first && first.ids).toEqual(log.slice(1, 3).map(({ id }) => id))
  expect(await store.get(lease.task_id)).toMatchObject({
    seq: 4,
    iteration: 2,
    model_calls: 1,
    input_tokens: 11,
  })
  expect(Number(await redis.hget(task, 'lease_until'))).toBeGreaterThan(Date.now())
  expect(await redis.zscore(store.key('due'), lease.task_id)).toBe(await redis.hget(task, 'lease_until'))
})

test('a repeated append gives the same ids and adds nothing', async () => {
  const { running, store, types } = setup()
  const lease = await running()
  const append = () =>
    store.append(lease, 1, [iteration(1), iteration(2)], { set: {}, add: { tool_calls: 1 } })
  const first = await append()
  expect(await append()).toEqual(first)
  expect(await types(lease.task_id)).toEqual(['task_queued', 'iteration_start', 'iteration_start'])
  expect(await store.get(lease.task_id)).toMatchObject({ tool_calls: 1, seq: 3 })
})

test('an append at another seq, or by another activation, is refused and writes nothing', async () => {
  const { running, store, types } = setup()
  const lease = await running()
  const add = { set: { iteration: 9 }, add: { tool_calls: 1 } }
  expect(await store.append(lease, 0, [iteration(1)], add)).toMatchObject({ verdict: 'lost' })
  expect(await store.append(lease, 2, [iteration(1)], add)).toMatchObject({ verdict: 'lost' })
  const other = { ...lease, activation: 'another' }
  expect(await store.append(other, 1, [iteration(1)], add)).toMatchObject({ verdict: 'lost' })
  expect(await types(lease.task_id)).toEqual(['task_queued'])
  expect(await store.get(lease.task_id)).toMatchObject({ tool_calls: 0, iteration: 0, seq: 1 })
})

test('an append to a session that was deleted is gone and writes nothing', async () => {
  const { running, store, redis, events } = setup()
  const lease = await running()
  await store.deleteSession(SESSION, 'deleted', 'user')
  expect(await store.append(lease, 1, [iteration(1)], NOTHING)).toMatchObject({ verdict: 'gone' })
  expect(await events(lease.task_id)).toHaveLength(1)
  await redis.hset(store.key('task', lease.task_id), 'lease_until', 1)
  expect(await store.purgeSession(SESSION)).toBe('purged')
  expect(await store.append(lease, 1, [iteration(1)], NOTHING)).toMatchObject({ verdict: 'gone' })
  expect(await events(lease.task_id)).toEqual([])
})

test('an append learns that a cancel was asked for', async () => {
  const { running, store } = setup()
  const lease = await running()
  await store.cancel(lease.task_id, 'no', 'user')
  const append = () => store.append(lease, 1, [iteration(1)], NOTHING)
  expect(await append()).toMatchObject({ verdict: 'ok', cancel: true })
  expect(await append()).toMatchObject({ verdict: 'ok', cancel: true })
})

test('finish writes what is left and the end once, and hands the next of the line its ticket', async () => {
  const { running, create, store, events, redis } = setup()
  const lease = await running()
  const next = await create()
  const progress = { set: { answer: 'done', stop_reason: 'final_answer' }, add: { model_calls: 1 } }
  const finish = () => store.finish(lease, 1, [iteration(1)], complete(), progress)
  const answer = { verdict: 'ok', status: 'completed', tickets: [{ task_id: next.id, n: 1, priority: 7 }] }
  expect(await finish()).toEqual(answer)
  expect(await finish()).toEqual(answer)
  const log = await events(lease.task_id)
  expect(log.map((event) => [event.seq, event.event_type])).toEqual([
    [1, 'task_queued'],
    [2, 'iteration_start'],
    [3, 'task_complete'],
  ])
  expect(await store.get(lease.task_id)).toMatchObject({
    status: 'completed',
    answer: 'done',
    seq: 3,
    model_calls: 1,
    end_id: log[2]?.id,
  })
  expect(await redis.zrange(store.key('session', SESSION, 'line'), '0', '-1')).toEqual([next.id])
  expect(await redis.zscore(store.key('due'), lease.task_id)).toBeNull()
})

test('finish asked again after the next task began gives no ticket for it', async () => {
  const { running, create, store, begin } = setup()
  const lease = await running()
  await create()
  const finish = () => store.finish(lease, 1, [], complete(), NOTHING)
  const first = await finish()
  await begin('tickets' in first ? first.tickets[0] : undefined)
  expect(await finish()).toEqual({ verdict: 'ok', status: 'completed', tickets: [] })
})

test('finish is refused at another seq and for another activation', async () => {
  const { running, store, types } = setup()
  const lease = await running()
  expect(await store.finish(lease, 2, [], complete(), NOTHING)).toMatchObject({ verdict: 'lost' })
  const other = { ...lease, activation: 'another' }
  expect(await store.finish(other, 1, [], complete(), NOTHING)).toMatchObject({ verdict: 'lost' })
  expect(await store.finish({ ...lease, task_id: 'nobody' }, 1, [], null, NOTHING)).toMatchObject({
    verdict: 'gone',
  })
  expect(await types(lease.task_id)).toEqual(['task_queued'])
})

test('a cancel that was asked for before wins over any other end', async () => {
  const { running, store, events } = setup()
  const lease = await running()
  await store.cancel(lease.task_id, 'changed my mind', 'user')
  const finish = () => store.finish(lease, 1, [iteration(1)], complete(), { set: { iteration: 1 }, add: {} })
  expect(await finish()).toMatchObject({ verdict: 'ok', status: 'cancelled' })
  expect(await finish()).toMatchObject({ verdict: 'ok', status: 'cancelled' })
  expect((await events(lease.task_id)).slice(1)).toMatchObject([
    { event_type: 'iteration_start', seq: 2 },
    {
      event_type: 'task_cancelled',
      seq: 3,
      reason: 'changed my mind',
      requested_by: 'user',
      total_iterations: 1,
    },
  ])
  expect(await store.get(lease.task_id)).toMatchObject({ status: 'cancelled', seq: 3 })
})

test('a task that ends cancelled keeps nothing of the end it would have had', async () => {
  const { running, store } = setup()
  const lease = await running()
  await store.cancel(lease.task_id, 'no', 'user')
  const error = JSON.stringify({ code: 'model_error', message: 'refused' })
  const set = { error, message: 'refused', stop_reason: 'error', answer: 'as far as it came', iteration: 3 }
  await store.finish(lease, 1, [], complete(), { set, add: {} })
  const record = await store.get(lease.task_id)
  expect(record).toMatchObject({
    status: 'cancelled',
    stop_reason: 'cancelled',
    message: 'no',
    iteration: 3,
  })
  expect(record).not.toHaveProperty('error')
  expect(record).not.toHaveProperty('answer')
})

test('an activation that lost its task to an end made elsewhere is refused', async () => {
  const { running, store, lapse, types } = setup()
  const lease = await running()
  await lapse(lease.task_id)
  expect(await store.cancel(lease.task_id, 'no', 'user')).toMatchObject({ verdict: 'cancelled' })
  expect(await store.finish(lease, 1, [], complete(), NOTHING)).toMatchObject({ verdict: 'lost' })
  expect(await store.release(lease, 'drained')).toMatchObject({ verdict: 'lost' })
  expect(await store.append(lease, 1, [iteration(1)], NOTHING)).toMatchObject({ verdict: 'lost' })
  expect(await types(lease.task_id)).toEqual(['task_queued', 'task_cancelled'])
})

test('release makes the task pending with its next ticket, ahead of new ones; again is the same', async () => {
  const { running, store } = setup()
  const lease = await running()
  const answer = { verdict: 'ok', tickets: [{ task_id: lease.task_id, n: 2, priority: 1 }] }
  expect(await store.release(lease, 'drained')).toEqual(answer)
  expect(await store.release(lease, 'drained')).toEqual(answer)
  expect(await store.get(lease.task_id)).toMatchObject({ status: 'pending', resume_reason: 'drained' })
  expect(await store.append(lease, 1, [iteration(1)], NOTHING)).toMatchObject({ verdict: 'lost' })
})

test('a task released while a cancel was asked for ends there, and the next one gets its ticket', async () => {
  const { running, create, store, types } = setup()
  const lease = await running()
  const next = await create()
  await store.cancel(lease.task_id, 'no', 'user')
  const answer = { verdict: 'ok', tickets: [{ task_id: next.id, n: 1, priority: 7 }] }
  expect(await store.release(lease, 'drained')).toEqual(answer)
  expect(await store.release(lease, 'drained')).toEqual(answer)
  expect(await types(lease.task_id)).toEqual(['task_queued', 'task_cancelled'])
})

test('only the activation that holds a task can release it', async () => {
  const { running, store } = setup()
  const lease = await running()
  const other = { ...lease, activation: 'another' }
  expect(await store.release(other, 'drained')).toMatchObject({ verdict: 'lost' })
  expect(await store.release({ ...lease, task_id: 'nobody' }, 'drained')).toMatchObject({ verdict: 'gone' })
  expect(await store.get(lease.task_id)).toMatchObject({ status: 'running' })
})

test('a pending task is cancelled at once, with one event, and the next one gets its ticket', async () => {
  const { create, store, events } = setup()
  const first = await create()
  const next = await create()
  const answer = {
    verdict: 'cancelled',
    status: 'cancelled',
    sessionId: SESSION,
    tickets: [{ task_id: next.id, n: 1, priority: 7 }],
  }
  expect(await store.cancel(first.id, 'no', 'user')).toEqual(answer)
  expect(await store.cancel(first.id, 'other', 'somebody')).toEqual(answer)
  expect((await events(first.id))[1]).toMatchObject({
    event_type: 'task_cancelled',
    reason: 'no',
    requested_by: 'user',
  })
  expect(await events(first.id)).toHaveLength(2)
})

test('a task cancelled in the middle of its line wakes nobody', async () => {
  const { create, store } = setup()
  await create()
  const middle = await create()
  await create()
  expect(await store.cancel(middle.id, 'no', 'user')).toMatchObject({ verdict: 'cancelled', tickets: [] })
  expect(await store.cancel(middle.id, 'no', 'user')).toMatchObject({ verdict: 'cancelled', tickets: [] })
})

test('a scheduled task is cancelled at once and never joins its line', async () => {
  const { create, store, redis } = setup()
  const { id } = await create({ run_at_ms: Date.now() + 3_600_000 })
  expect(await store.cancel(id, 'no', 'user')).toMatchObject({ verdict: 'cancelled' })
  expect(await redis.zcard(store.key('due'))).toBe(0)
})

test('a running task is told of its cancel, on the channel and in its record', async () => {
  const { running, store, redis, subscriber, types } = setup()
  const lease = await running()
  const heard = new Promise<string>((resolve) => {
    subscriber.on('message', (_channel: string, text: string) => resolve(text))
  })
  await subscriber.subscribe(store.key('control'))
  const answer = { verdict: 'flagged', status: 'running', sessionId: SESSION, tickets: [] }
  expect(await store.cancel(lease.task_id, 'no', 'user')).toEqual(answer)
  expect(await store.cancel(lease.task_id, 'other', 'user')).toEqual(answer)
  expect(JSON.parse(await heard)).toEqual({ cancel: lease.task_id })
  expect(await redis.hget(store.key('task', lease.task_id), 'cancel')).toBe('no')
  expect(await types(lease.task_id)).toEqual(['task_queued'])
})

test('a task whose worker is silent is cancelled at once', async () => {
  const { running, store, lapse, types } = setup()
  const lease = await running()
  await lapse(lease.task_id)
  expect(await store.cancel(lease.task_id, 'no', 'user')).toMatchObject({ verdict: 'cancelled' })
  expect(await types(lease.task_id)).toEqual(['task_queued', 'task_cancelled'])
})

test('a task that has ended stays as it is when it is cancelled', async () => {
  const { running, store, types } = setup()
  const lease = await running()
  await store.finish(lease, 1, [], complete(), NOTHING)
  expect(await store.cancel(lease.task_id, 'no', 'user')).toMatchObject({
    verdict: 'ended',
    status: 'completed',
  })
  expect(await store.cancel('nobody', 'no', 'user')).toEqual({ verdict: 'not_found' })
  expect(await types(lease.task_id)).toEqual(['task_queued', 'task_complete'])
})

test('a deleted session is gone for everybody, its tasks cancelled, though one is still at work', async () => {
  const { running, create, newTask, store, redis } = setup()
  const lease = await running()
  const waiting = await create()
  expect(await store.deleteSession(SESSION, 'deleted', 'user')).toBe('marked')
  expect(await store.deleteSession(SESSION, 'deleted', 'user')).toBe('marked')
  expect(await store.get(waiting.id)).toBeNull()
  expect(await store.sessionFields(SESSION)).toBeNull()
  expect(await redis.zscore(store.key('sessions'), SESSION)).toBeNull()
  expect(await store.cancel(lease.task_id, 'no', 'user')).toEqual({ verdict: 'not_found' })
  expect(await store.create(newTask())).toEqual({ verdict: 'session_deleted' })
  const page = { limit: 10, cursor: '', statuses: [], sessionId: '', text: '', budget: 100 }
  expect((await store.list(page)).records).toEqual([])
  expect(await redis.hget(store.key('task', waiting.id), 'status')).toBe('cancelled')
  expect(await store.deleteSession('nobody', 'deleted', 'user')).toBe('not_found')
})

test('a deleted session is purged once its last task let go, and leaves no key behind', async () => {
  const { running, create, store, keysLeft } = setup()
  const lease = await running()
  await create()
  await create({ run_at_ms: Date.now() + 3_600_000 })
  await store.writeTodos(lease, '[]')
  expect(await store.purgeSession(SESSION)).toBe('not_deleted')
  await store.deleteSession(SESSION, 'deleted', 'user')
  expect(await store.purgeSession(SESSION)).toBe('busy')
  expect(await store.finish(lease, 1, [], complete(), NOTHING)).toMatchObject({ status: 'cancelled' })
  expect(await store.purgeSession(SESSION)).toBe('purged')
  expect(await store.purgeSession(SESSION)).toBe('purged')
  expect(await keysLeft()).toEqual([])
})

test('what a lost worker left of a deleted session is purged too', async () => {
  const { running, store, keysLeft, lapse } = setup()
  const lease = await running()
  await store.deleteSession(SESSION, 'deleted', 'user')
  await lapse(lease.task_id)
  expect(await store.purgeSession(SESSION)).toBe('purged')
  expect(await keysLeft()).toEqual([])
})

test('a session with many tasks is purged in parts', async () => {
  const { create, store, keysLeft } = setup()
  await Promise.all(Array.from({ length: 501 }, () => create()))
  await store.deleteSession(SESSION, 'deleted', 'user')
  expect(await store.purgeSession(SESSION)).toBe('more')
  expect(await store.purgeSession(SESSION)).toBe('purged')
  expect(await keysLeft()).toEqual([])
})

test('a session of the same name can begin anew after the old one was purged', async () => {
  const { create, store, events } = setup()
  await create()
  await store.deleteSession(SESSION, 'deleted', 'user')
  await store.purgeSession(SESSION)
  const { id, tickets } = await create()
  expect(tickets).toHaveLength(1)
  expect(await events(id)).toMatchObject([{ position: 1 }])
  expect(await store.readLog(SESSION, '0-0', 100)).toHaveLength(1)
})

test('only the activation that holds a task of the session writes its todos', async () => {
  const { running, store } = setup()
  const lease = await running()
  expect(await store.writeTodos(lease, '["mine"]')).toEqual({ verdict: 'ok' })
  expect(await store.writeTodos({ ...lease, activation: 'another' }, '[]')).toMatchObject({ verdict: 'lost' })
  expect(await store.writeTodos({ ...lease, task_id: 'nobody' }, '[]')).toMatchObject({ verdict: 'gone' })
  await store.release(lease, 'drained')
  expect(await store.writeTodos(lease, '[]')).toMatchObject({ verdict: 'lost' })
  expect(await store.readTodos(SESSION)).toBe('["mine"]')
  await store.deleteSession(SESSION, 'deleted', 'user')
  expect(await store.writeTodos(lease, '[]')).toMatchObject({ verdict: 'gone' })
})
