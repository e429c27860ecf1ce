/** What a worker's heartbeat renews, tells and looks after, on a real Redis. */
import { randomUUID } from 'node:crypto'
import { Worker } from 'bullmq'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { LogEvent } from '../../src/schemas/event.ts'
import type { Ticket } from '../../src/tasks/replies.ts'
import type { Lease } from '../../src/tasks/store.ts'
import { createProgress } from '../../workers/emitter.ts'
import { openStore } from '../support/redis.ts'
import { TASK_FIELDS } from '../support/task-fields.ts'

const NOTHING = { set: {}, add: {} }
const LEASE_MS = 300
const PATIENCE = { timeout: 10_000, interval: 20 }

const setup = (leaseMs = LEASE_MS) => {
  const open = openStore({ leaseMs })
  onTestFinished(() => open[Symbol.asyncDispose]())
  const { store, redis } = open
  const taskKey = (id: string) => store.key('task', id)
  const now = async () => {
    const [seconds, micros] = await redis.time()
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
  }
  const create = async (options: { session?: string; run_at_ms?: number } = {}) => {
    const task_id = `task-${randomUUID()}`
    const result = await store.create({
      task_id,
      session_id: options.session ?? 'the-session',
      title: 't',
      fields: TASK_FIELDS,
      ...(options.run_at_ms === undefined ? {} : { run_at_ms: options.run_at_ms }),
    })
    if (result.verdict !== 'created') throw new Error(result.verdict)
    return { id: task_id, tickets: result.tickets }
  }
  const begin = async (ticket: Ticket | undefined): Promise<Lease> => {
    const activation = randomUUID()
    const { task_id, n } = ticket as Ticket
    const { verdict } = await store.begin({ task_id, n }, activation, 'w')
    expect(verdict).toMatch(/started|resumed/)
    return { task_id, activation }
  }
  /** A fleet that beats without a pause: however slow this machine, no outage is seen. */
  const beat = async (leases: Lease[] = [], most = 20) => {
    await redis.del(store.key('last_beat'), store.key('grace_until'))
    return store.beat({ id: 'w', info: '{}' }, leases, most)
  }
  const lapse = async (id: string) => {
    await redis.hset(taskKey(id), 'lease_until', 1)
    await redis.zadd(store.key('due'), 1, id)
  }
  return {
    ...open,
    taskKey,
    now,
    create,
    begin,
    beat,
    lapse,
    running: async (session = 'the-session') => begin((await create({ session })).tickets[0]),
    /** Its worker is lost for the `losses`th time in a row. */
    loseAgain: async (id: string, losses: number) => {
      await redis.hset(taskKey(id), { losses: losses - 1 })
      await lapse(id)
      return beat()
    },
    due: async (id: string) => Number(await redis.zscore(store.key('due'), id)),
    types: async (id: string) =>
      (await store.readLog('the-session', '0-0', 1000))
        .filter(({ task_id }) => task_id === id)
        .map(({ event_type }) => event_type),
  }
}

test('a beat renews the leases of this worker', async () => {
  const { running, beat, redis, taskKey, due, now } = setup(60_000)
  const lease = await running()
  await redis.hset(taskKey(lease.task_id), 'lease_until', 1)
  expect((await beat([lease])).leases).toEqual(['ok'])
  expect(Number(await redis.hget(taskKey(lease.task_id), 'lease_until'))).toBeGreaterThan(await now())
  expect(await due(lease.task_id)).toBe(Number(await redis.hget(taskKey(lease.task_id), 'lease_until')))
})

test('a beat tells when the next lease lapses, so that nobody waits longer for a lost worker', async () => {
  const { running, beat } = setup(60_000)
  expect((await beat()).nextDueMs).toBeUndefined()
  await running()
  const { nextDueMs } = await beat()
  expect(nextDueMs).toBeGreaterThan(50_000)
  expect(nextDueMs).toBeLessThanOrEqual(60_000)
})

test('a beat tells which tasks were cancelled and which are lost, in the order asked', async () => {
  const { running, beat, store } = setup(60_000)
  const mine = await running('a')
  const cancelled = await running('b')
  const ended = await running('c')
  await store.cancel(cancelled.task_id, 'no', 'user')
  await store.finish(ended, 1, [], null, NOTHING)
  const others = { ...mine, activation: 'another' }
  const unknown = { task_id: 'nobody', activation: 'x' }
  expect((await beat([ended, mine, cancelled, others, unknown])).leases).toEqual([
    'lost',
    'ok',
    'cancel',
    'lost',
    'lost',
  ])
})

test('a beat keeps what the worker says of itself, until it is silent', async () => {
  const { store, redis } = setup()
  await store.beat({ id: 'w1', info: '{"slots":3}' }, [], 20)
  expect(await redis.hget(store.key('worker', 'w1'), 'info')).toBe('{"slots":3}')
  expect(await redis.ttl(store.key('worker', 'w1'))).toBeGreaterThan(0)
  expect(await redis.zscore(store.key('workers'), 'w1')).not.toBeNull()
  await store.forgetWorker('w1')
  expect(await redis.exists(store.key('worker', 'w1'))).toBe(0)
  expect(await redis.zscore(store.key('workers'), 'w1')).toBeNull()
})

test('a task whose lease truly runs out is pending again with its next ticket, the old one stale', async () => {
  const { running, beat, store, types } = setup()
  const lease = await running()
  const tickets = await vi.waitFor(async () => {
    const given = (await beat()).tickets
    expect(given).not.toEqual([])
    return given
  }, PATIENCE)
  expect(tickets).toEqual([{ task_id: lease.task_id, n: 2, priority: 1 }])
  expect(await store.get(lease.task_id)).toMatchObject({ status: 'pending', resume_reason: 'worker_lost' })
  expect(await store.begin({ task_id: lease.task_id, n: 1 }, 'b', 'w')).toMatchObject({ verdict: 'stale' })
  expect(await store.append(lease, 1, [], NOTHING)).toMatchObject({ verdict: 'lost' })
  expect((await beat([lease])).leases).toEqual(['lost'])
  expect(await store.begin({ task_id: lease.task_id, n: 2 }, 'b', 'w')).toMatchObject({ verdict: 'resumed' })
  expect(await types(lease.task_id)).toEqual(['task_queued'])
})

test('an append keeps a lease as a beat does', async () => {
  const { running, beat, store, lapse } = setup(60_000)
  const lease = await running()
  await lapse(lease.task_id)
  const event: LogEvent = { event_type: 'iteration_start', iteration: 1, max_iterations: 10 }
  await store.append(lease, 1, [event], NOTHING)
  await beat()
  expect(await store.get(lease.task_id)).toMatchObject({ status: 'running' })
})

test('a task lost again in a row comes back at once, to run alone for 1 to 10 seconds for each loss', async () => {
  const { running, loseAgain, begin, redis, taskKey, now } = setup()
  const { task_id } = await running()
  expect((await loseAgain(task_id, 1)).tickets).toHaveLength(1)
  expect(await redis.hexists(taskKey(task_id), 'alone_until')).toBe(0)
  await begin({ task_id, n: 2, priority: 1 })
  for (const losses of [2, 3, 4]) {
    const before = await now()
    const { tickets } = await loseAgain(task_id, losses)
    expect(tickets).toEqual([{ task_id, n: losses + 1, priority: 1 }])
    const alone = Number(await redis.hget(taskKey(task_id), 'alone_until')) - before
    expect(alone).toBeGreaterThanOrEqual(1000 * losses)
    expect(alone).toBeLessThanOrEqual(10_000 * losses + 1000)
    await begin(tickets[0])
  }
})

/** Two tasks that lost their worker twice in a row; the first one is at work on `w` again. */
const twoSuspects = async () => {
  const all = setup(60_000)
  const [a, b] = [await all.running('a'), await all.running('b')]
  const [ticketA] = (await all.loseAgain(a.task_id, 2)).tickets
  const [ticketB] = (await all.loseAgain(b.task_id, 2)).tickets
  if (!ticketA || !ticketB) throw new Error('a ticket each was expected')
  const first = { task_id: a.task_id, activation: 'a-again' }
  expect(await all.store.begin(ticketA, first.activation, 'w')).toMatchObject({ verdict: 'resumed' })
  return { ...all, first, ticket: ticketB, id: b.task_id }
}

test('of two tasks lost together again, a worker runs one; the other comes back in a moment', async () => {
  const { store, redis, ticket, id, due, now, beat } = await twoSuspects()
  // Asked once, sent again, and elsewhere with the ticket that is void now.
  for (const worker of ['w', 'w', 'elsewhere'])
    expect(await store.begin(ticket, 'b', worker)).toEqual({ verdict: 'stale', tickets: [] })
  expect(await store.get(id)).toMatchObject({ status: 'pending', attempt: 1 })
  expect((await due(id)) - (await now())).toBeLessThanOrEqual(500)
  await redis.zadd(store.key('due'), 1, id)
  const [next] = (await beat()).tickets
  expect(next).toEqual({ task_id: id, n: ticket.n + 2, priority: 1 })
  expect(await store.begin({ task_id: id, n: ticket.n + 2 }, 'b', 'elsewhere')).toMatchObject({
    verdict: 'resumed',
  })
})

test('another worker takes a task under suspicion at once', async () => {
  const { store, ticket } = await twoSuspects()
  expect(await store.begin(ticket, 'b', 'elsewhere')).toMatchObject({ verdict: 'resumed' })
})

test('a worker that is at work on a task under suspicion takes one that was lost but once', async () => {
  const { store, running, loseAgain } = await twoSuspects()
  const { task_id } = await running('c')
  const [ticket] = (await loseAgain(task_id, 1)).tickets
  expect(await store.begin({ task_id, n: ticket?.n ?? 0 }, 'c', 'w')).toMatchObject({ verdict: 'resumed' })
})

test('no task runs alone for longer than its time alone', async () => {
  const { store, redis, taskKey, ticket, id } = await twoSuspects()
  await redis.hset(taskKey(id), 'alone_until', 1)
  expect(await store.begin(ticket, 'b', 'w')).toMatchObject({ verdict: 'resumed' })
})

test('a task that has shown itself harmless keeps no other away', async () => {
  const { store, first, ticket } = await twoSuspects()
  const iteration: LogEvent[] = [
    { event_type: 'iteration_start', iteration: 1, max_iterations: 9 },
    { event_type: 'iteration_complete', iteration: 1, tokens_used: 1, tools_run: 0 },
  ]
  await store.append(first, 1, iteration, createProgress()(iteration))
  expect(await store.begin(ticket, 'b', 'w')).toMatchObject({ verdict: 'resumed' })
})

test('what a worker had under suspicion is forgotten with it, also before its first beat', async () => {
  const { store, redis } = await twoSuspects()
  expect(await redis.ttl(store.key('worker', 'w'))).toBeGreaterThan(0)
})

test('the fifth loss in a row ends the task with worker_lost, and the next one gets its ticket', async () => {
  const { running, create, loseAgain, store, types } = setup()
  const lease = await running()
  const next = await create()
  expect((await loseAgain(lease.task_id, 5)).tickets).toEqual([{ task_id: next.id, n: 1, priority: 7 }])
  expect(await store.get(lease.task_id)).toMatchObject({
    status: 'failed',
    stop_reason: 'error',
    error: { code: 'worker_lost' },
  })
  expect(await types(lease.task_id)).toEqual(['task_queued', 'task_failed'])
  expect(await store.finish(lease, 1, [], null, NOTHING)).toMatchObject({ verdict: 'lost' })
})

test('a whole iteration shows that the task is harmless, one that a lost worker began does not', async () => {
  const { running, loseAgain, store, redis, taskKey } = setup()
  const lease = await running()
  await redis.hset(taskKey(lease.task_id), 'losses', 4)
  const start = (iteration: number): LogEvent => ({
    event_type: 'iteration_start',
    iteration,
    max_iterations: 9,
  })
  const done = (iteration: number): LogEvent => ({
    event_type: 'iteration_complete',
    iteration,
    tokens_used: 1,
    tools_run: 0,
  })
  const progressOf = createProgress()
  await store.append(lease, 1, [done(1), start(2)], progressOf([done(1), start(2)]))
  expect(await redis.hget(taskKey(lease.task_id), 'losses')).toBe('4')
  await store.append(lease, 3, [done(2)], progressOf([done(2)]))
  expect(await redis.hget(taskKey(lease.task_id), 'losses')).toBe('0')
  expect((await loseAgain(lease.task_id, 1)).tickets).toHaveLength(1)
})

test('handing a task over is no loss', async () => {
  const { running, store, redis, taskKey } = setup()
  const lease = await running()
  await store.release(lease, 'drained')
  expect(await redis.hget(taskKey(lease.task_id), 'losses')).toBeNull()
})

test('a lost ticket is given again, one that is in the queue is not', async () => {
  const { create, beat, redis, store, queue } = setup()
  const lost = await create({ session: 'a' })
  const queued = await create({ session: 'b' })
  await queue.add(queued.tickets)
  expect((await beat()).tickets).toEqual([])
  const makeDue = async () => {
    await redis.zadd(store.key('due:tickets'), 1, lost.id, 1, queued.id)
  }
  await makeDue()
  expect((await beat()).tickets).toEqual(lost.tickets)
  expect((await beat()).tickets).toEqual([])
  await queue.add(lost.tickets)
  await makeDue()
  expect((await beat()).tickets).toEqual([])
  const { tickets } = await store.release(await lease(), 'drained').then((r) => r as { tickets: Ticket[] })
  await makeDue()
  expect((await beat()).tickets).toEqual(tickets)

  async function lease(): Promise<Lease> {
    await store.begin({ task_id: lost.id, n: 1 }, 'a', 'w')
    return { task_id: lost.id, activation: 'a' }
  }
})

test('the ticket of a task that runs is not looked for', async () => {
  const { running, redis, store, beat } = setup(60_000)
  const { task_id } = await running()
  expect(await redis.zscore(store.key('due:tickets'), task_id)).toBeNull()
  await redis.zadd(store.key('due:tickets'), 1, task_id)
  expect((await beat()).tickets).toEqual([])
  expect(await redis.zcard(store.key('due:tickets'))).toBe(0)
})

test('a scheduled task joins its line when its time has come', async () => {
  const { create, beat, redis, store, now } = setup()
  const scheduled = await create({ run_at_ms: (await now()) + 600 })
  const earlier = await create()
  expect((await beat()).tickets).toEqual([])
  await vi.waitFor(async () => expect(await now()).toBeGreaterThan(await dueAt()), PATIENCE)
  expect((await beat()).tickets).toEqual([])
  const line = await redis.zrange(store.key('session', 'the-session', 'line'), '0', '-1')
  expect(line).toEqual([earlier.id, scheduled.id])
  expect(await store.cancel(earlier.id, 'no', 'user')).toMatchObject({
    tickets: [{ task_id: scheduled.id, n: 1 }],
  })

  async function dueAt() {
    return Number(await redis.zscore(store.key('due'), scheduled.id))
  }
})

test('a scheduled task at the head of its line gets its ticket, once', async () => {
  const { create, beat, redis, store } = setup()
  const { id } = await create({ run_at_ms: Date.now() + 3_600_000 })
  await redis.zadd(store.key('due'), 1, id)
  expect((await beat()).tickets).toEqual([{ task_id: id, n: 1, priority: 7 }])
  expect((await beat()).tickets).toEqual([])
})

test('a task cancelled while its worker was lost ends as cancelled, once', async () => {
  const { running, lapse, beat, store, types } = setup(60_000)
  const { task_id } = await running()
  expect(await store.cancel(task_id, 'no', 'user')).toMatchObject({ verdict: 'flagged' })
  await lapse(task_id)
  await beat()
  await beat()
  expect(await store.get(task_id)).toMatchObject({ status: 'cancelled' })
  expect(await types(task_id)).toEqual(['task_queued', 'task_cancelled'])
})

test('the deadline ends a pending task', async () => {
  const { running, store, redis, taskKey, due, beat, types } = setup()
  const lease = await running()
  await store.release(lease, 'drained')
  const deadline = (await store.get(lease.task_id))?.deadline
  expect(await due(lease.task_id)).toBe(deadline)
  await redis.hset(taskKey(lease.task_id), 'deadline', 1)
  await redis.zadd(store.key('due'), 1, lease.task_id)
  await beat()
  expect(await store.get(lease.task_id)).toMatchObject({
    status: 'failed',
    stop_reason: 'timeout',
    error: { code: 'timeout' },
  })
  expect(await types(lease.task_id)).toEqual(['task_queued', 'task_failed'])
})

test('the deadline ends a task whose worker is lost, and leaves one with a live worker to it', async () => {
  const { running, redis, taskKey, lapse, beat, store } = setup(60_000)
  const live = await running('a')
  const lost = await running('b')
  await redis.hset(taskKey(live.task_id), 'deadline', 1)
  await redis.hset(taskKey(lost.task_id), 'deadline', 1)
  await redis.zadd(store.key('due'), 1, live.task_id)
  await lapse(lost.task_id)
  await beat()
  expect(await store.get(live.task_id)).toMatchObject({ status: 'running' })
  expect(await store.get(lost.task_id)).toMatchObject({ status: 'failed', error: { code: 'timeout' } })
})

test('the deadline comes first for a task that would come back after it', async () => {
  const { store, redis, taskKey, ticket, id, due, now } = await twoSuspects()
  const deadline = (await now()) + 400
  await redis.hset(taskKey(id), { deadline })
  await store.begin(ticket, 'b', 'w')
  expect(await due(id)).toBe(deadline)
})

test('nobody loses a task for the time in which nobody could beat', async () => {
  const { running, store, redis, taskKey, lapse, due, now } = setup(60_000)
  const lease = await running()
  await lapse(lease.task_id)
  const before = await now()
  await redis.set(store.key('last_beat'), before - 1600)
  const watcher = { id: 'other', info: '{}' }
  expect((await store.beat(watcher, [], 20)).tickets).toEqual([])
  expect(await store.get(lease.task_id)).toMatchObject({ status: 'running' })
  expect(await due(lease.task_id)).toBeGreaterThanOrEqual(before + 60_000)
  // It is live for a cancel too, and its own beat takes it up again.
  expect(await store.cancel(lease.task_id, 'no', 'user')).toMatchObject({ verdict: 'flagged' })
  expect((await store.beat({ id: 'w', info: '{}' }, [lease], 20)).leases).toEqual(['cancel'])
  expect(Number(await redis.hget(taskKey(lease.task_id), 'lease_until'))).toBeGreaterThan(before)
})

test('after an outage a task whose worker is truly gone is lost one lease later', async () => {
  const { running, store, redis, lapse, now } = setup()
  const { task_id } = await running()
  await lapse(task_id)
  await redis.set(store.key('last_beat'), (await now()) - 1600)
  await store.beat({ id: 'other', info: '{}' }, [], 20)
  const tickets = await vi.waitFor(async () => {
    const given = (await store.beat({ id: 'other', info: '{}' }, [], 20)).tickets
    expect(given).not.toEqual([])
    return given
  }, PATIENCE)
  expect(tickets).toEqual([{ task_id, n: 2, priority: 1 }])
})

test('a short silence of the fleet gives no grace', async () => {
  const { running, store, redis, lapse, now } = setup(60_000)
  const { task_id } = await running()
  await lapse(task_id)
  await redis.set(store.key('last_beat'), (await now()) - 500)
  expect((await store.beat({ id: 'other', info: '{}' }, [], 20)).tickets).toHaveLength(1)
})

test('one beat looks at a bounded number of due tasks, the next one at the rest', async () => {
  const { running, lapse, beat } = setup()
  for (const session of ['a', 'b', 'c', 'd', 'e']) await lapse((await running(session)).task_id)
  const counts: number[] = []
  for (let i = 0; i < 4; i++) counts.push((await beat([], 2)).tickets.length)
  expect(counts).toEqual([2, 2, 1, 0])
})

test('a beat names the deleted sessions that are to be purged, and again while they are there', async () => {
  const { running, store, beat, redis } = setup()
  const lease = await running()
  await store.deleteSession('the-session', 'deleted', 'user')
  expect((await beat()).purge).toEqual(['the-session'])
  expect((await beat()).purge).toEqual([])
  await redis.zadd(store.key('due'), 1, 'session:the-session')
  expect((await beat()).purge).toEqual(['the-session'])
  expect(await store.finish(lease, 1, [], null, NOTHING)).toMatchObject({ status: 'cancelled' })
  expect((await beat()).purge).toEqual(['the-session'])
  expect(await store.purgeSession('the-session')).toBe('purged')
  expect(await redis.zcard(store.key('due'))).toBe(0)
})

test('what is due of tasks that are no more is forgotten', async () => {
  const { beat, redis, store } = setup()
  await redis.zadd(store.key('due'), 1, 'nobody')
  await redis.zadd(store.key('due:tickets'), 1, 'nobody')
  expect((await beat()).tickets).toEqual([])
  expect(await redis.exists(store.key('due'), store.key('due:tickets'))).toBe(0)
})

test('a worker that stopped beating without a farewell is counted as lost, once, and not for an outage of Redis', async () => {
  const { store, redis, beat, now } = setup()
  const lost = () => redis.hget(store.key('counts'), 'workersLost')
  await redis.zadd(store.key('workers'), (await now()) - 11_000, 'gone')
  await redis.set(store.key('last_beat'), 1)
  await store.beat({ id: 'w', info: '{}' }, [], 20)
  expect(await lost()).toBeNull()
  await beat()
  await beat()
  expect(await lost()).toBe('1')
  expect(await redis.zrange(store.key('workers'), '0', '-1')).toEqual(['w'])
})

test('a task that an older release began counts as waiting for a slot no longer', async () => {
  const { store, redis, create, beat } = setup()
  const { id } = await create()
  expect((await store.overview()).ready).toBe(1)
  await redis.hset(store.key('task', id), 'status', 'running')
  await beat()
  expect((await store.overview()).ready).toBe(0)
})

test('a beat says whether sessions wait to be looked after', async () => {
  const { store, redis, running, beat } = setup()
  expect((await beat()).sessionsDue).toBe(false)
  await store.finish(await running(), 1, [], null, NOTHING)
  expect((await beat()).sessionsDue).toBe(true)
  expect(await store.keeping.look(5)).toHaveLength(1)
  expect((await beat()).sessionsDue).toBe(false)
  await redis.zadd(store.key('keep'), 1, 'the-session')
  expect((await beat()).sessionsDue).toBe(true)
})

test('a beat says whether workers have tickets, also those of workers that are gone', async () => {
  const { redis, prefix, queue, create, beat } = setup()
  const { tickets } = await create()
  await queue.add(tickets)
  expect((await beat()).ticketsTaken).toBe(false)
  const worker = new Worker('tickets', null, {
    connection: redis.duplicate(),
    prefix,
    skipStalledCheck: true,
  })
  onTestFinished(() => worker.close())
  await worker.getNextJob('a token', { block: false })
  expect((await beat()).ticketsTaken).toBe(true)
})
