/** While nothing is at work anywhere workers beat less often, and nobody waits longer for it. On a real Redis. */
import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Lease } from '../../src/tasks/store.ts'
import { openStore } from '../support/redis.ts'
import { TASK_FIELDS } from '../support/task-fields.ts'

const LEASE_MS = 60_000
const QUIET_MS = 30_000
const WORKER = { id: 'w', info: '{}' }
const NOTHING = { set: {}, add: {} }

const setup = async () => {
  const open = openStore({ leaseMs: LEASE_MS })
  onTestFinished(() => open[Symbol.asyncDispose]())
  const { store, redis } = open
  const told: string[] = []
  const listener = redis.duplicate()
  onTestFinished(() => listener.disconnect())
  listener.on('message', (_, message: string) => told.push(message))
  await listener.subscribe(store.key('control'))

  const now = async () => {
    const [seconds, micros] = await redis.time()
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
  }
  const create = async (run_at_ms?: number) => {
    const task_id = `task-${randomUUID()}`
    const created = await store.create({
      task_id,
      session_id: 'the-session',
      title: 't',
      fields: TASK_FIELDS,
      ...(run_at_ms === undefined ? {} : { run_at_ms }),
    })
    if (created.verdict !== 'created') throw new Error(created.verdict)
    return { id: task_id, n: created.tickets[0]?.n ?? 0 }
  }
  const begin = async ({ id, n }: { id: string; n: number }): Promise<Lease> => {
    const activation = randomUUID()
    expect((await store.begin({ task_id: id, n }, activation, 'w')).verdict).toBe('started')
    return { task_id: id, activation }
  }
  return {
    ...open,
    now,
    create,
    begin,
    beat: () => store.beat(WORKER, [], 20, QUIET_MS),
    end: (lease: Lease) => store.finish(lease, 1, [], null, NOTHING),
    /** What workers were told meanwhile. */
    toldWhile: async (act: () => Promise<unknown>): Promise<string[]> => {
      told.length = 0
      await act()
      await redis.publish(store.key('control'), 'all heard')
      await vi.waitUntil(() => told.includes('all heard'), { timeout: 10_000, interval: 5 })
      return told.slice(0, -1)
    },
  }
}
const BEAT = '{"beat":true}'

test('a fleet is quiet while no task runs and none waits for a worker', async () => {
  const { beat, create, begin, end, redis, store, now } = await setup()
  expect((await beat()).quiet).toBe(true)
  const task = await create()
  expect((await beat()).quiet).toBe(false)
  const lease = await begin(task)
  expect((await beat()).quiet).toBe(false)
  await end(lease)
  expect((await beat()).quiet).toBe(true)
  await create((await now()) + QUIET_MS)
  expect((await beat()).quiet).toBe(true)
  await redis.lpush(store.key('tickets', 'active'), 'taken, and not begun')
  expect((await beat()).quiet).toBe(false)
})

test('a task that begins ends the quiet: workers are told to beat, once', async () => {
  const { beat, create, begin, end, toldWhile } = await setup()
  await beat()
  const first = await create()
  const lease = await begin(first)
  await end(lease)
  await beat()
  const [second, third] = [await create(), await create()]
  expect(
    await toldWhile(async () => {
      await end(await begin(second))
      await begin({ ...third, n: 1 })
    }),
  ).toEqual([BEAT])
})

test('what is to be done before the next beat ends the quiet, what comes later does not', async () => {
  const { beat, create, store, toldWhile, now } = await setup()
  const waiting = await create((await now()) + 2 * QUIET_MS)
  await beat()
  expect(await toldWhile(async () => create((await now()) + 2 * QUIET_MS))).toEqual([])
  expect(await toldWhile(async () => create((await now()) + 1000))).toEqual([BEAT])
  await beat()
  expect(await toldWhile(() => store.cancel(waiting.id, 'no', 'user'))).toEqual([BEAT])
  await beat()
  expect(await toldWhile(() => store.keeping.fork('the-session', 'the-fork'))).toEqual([BEAT])
  await beat()
  expect(await toldWhile(() => store.deleteSession('the-fork', 'deleted', 'user'))).toEqual([BEAT])
})

test('a fleet whose workers beat every second is told nothing', async () => {
  const { create, begin, store, toldWhile } = await setup()
  await store.beat(WORKER, [], 20)
  const task = await create()
  expect(await toldWhile(() => begin(task))).toEqual([])
})

test('a silence that was announced is no outage; a longer one is', async () => {
  const { create, begin, redis, store, now } = await setup()
  const { task_id } = await begin(await create())
  const lapse = async () => {
    await redis.hset(store.key('task', task_id), 'lease_until', 1)
    await redis.zadd(store.key('due'), 1, task_id)
  }
  await lapse()
  const at = await now()
  await redis.mset(store.key('last_beat'), at - QUIET_MS, store.key('quiet_until'), at - 700)
  expect((await store.beat(WORKER, [], 20)).tickets).toEqual([])
  await redis.del(store.key('grace_until'))
  await lapse()
  await redis.mset(store.key('last_beat'), at - QUIET_MS, store.key('quiet_until'), at + QUIET_MS)
  expect((await store.beat(WORKER, [], 20)).tickets).toHaveLength(1)
})

test('a worker at rest counts as alive until it should have beaten again, or until somebody asks', async () => {
  const { beat, redis, store, now, toldWhile } = await setup()
  const names = async () => (await store.overview()).workers.map(({ info }) => info)
  const ask = async () => (await store.overview('', true)).called
  const next = async (inMs: number) => redis.hset(store.key('worker', 'w'), 'next_at', (await now()) + inMs)
  await beat()
  await redis.zadd(store.key('workers'), (await now()) - 7000, 'w')
  expect(await names()).toEqual(['{}'])
  expect(await toldWhile(async () => expect(await ask()).toBe(true))).toEqual([BEAT])
  // Its answer may take a moment, and is waited for once.
  expect(await ask()).toBe(false)
  expect(await names()).toEqual(['{}'])
  await next(-3000)
  expect(await names()).toEqual([])
  await beat()
  expect(await names()).toEqual(['{}'])
})

test('a worker at rest is not counted as lost before it should have beaten again', async () => {
  const { redis, store, now } = await setup()
  const lost = () => redis.hget(store.key('counts'), 'workersLost')
  await store.beat({ id: 'resting', info: '{}' }, [], 20, QUIET_MS)
  await redis.zadd(store.key('workers'), (await now()) - 11_000, 'resting')
  await store.beat(WORKER, [], 20)
  expect(await lost()).toBeNull()
  await redis.hset(store.key('worker', 'resting'), 'next_at', (await now()) - 3000)
  await store.beat(WORKER, [], 20)
  expect(await lost()).toBe('1')
})
