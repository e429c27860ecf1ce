import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { foldTranscript } from '../../src/agent/fold.ts'
import { type Keeper, openKeeper } from '../support/keep.ts'
import { completed, type FakeWorker, logIds, newSession, queueTask, runTask, step } from '../support/sse.ts'

const DAY_MS = 86_400_000
const limits = { entries: 10_000, retentionMs: DAY_MS }

/** The task ended this long ago. */
const age = async ({ redis, store }: Keeper, taskId: string, ms: number) => {
  await redis.hset(store.key('task', taskId), 'ended_at', Date.now() - ms)
}
const tasksOf = ({ redis, store }: Keeper, session: string) =>
  redis.zrange(store.key('session', session, 'tasks'), '0', '-1')

test('a task that ended long ago goes whole, whatever stands between its entries', async () => {
  const keeper = await openKeeper()
  const { store } = keeper
  const session = newSession()
  const old = await runTask(store, session, 'old')
  const next = await queueTask(store, session, 'next')
  await old.append(step(1))
  await old.finish()
  await next.begin()
  await next.finish()
  await age(keeper, old.task_id, 2 * DAY_MS)
  await store.keeping.trim(session, limits)

  const events = await store.readLog(session, '0-0', 100)
  expect(events.map(({ task_id, seq }) => [task_id, seq])).toEqual([1, 2, 3].map((n) => [next.task_id, n]))
  expect(await tasksOf(keeper, session)).toEqual([next.task_id])
  expect(await store.get(old.task_id)).toBeNull()
  expect(await store.stats()).toMatchObject({ completed: 1 })
  // The model sees what is left.
  expect(foldTranscript(events, 'another').map(({ content }) => content)).toEqual(['next'])
})

test('a log that is too long loses its oldest tasks, never the newest nor one that has not ended', async () => {
  const keeper = await openKeeper()
  const { store, redis } = keeper
  const session = newSession()
  const tasks: FakeWorker[] = []
  const later = await queueTask(store, session, 'first in the line, cancelled last')
  for (let i = 0; i < 4; i++) tasks.push(await queueTask(store, session, `task ${i}`))
  const ids = (of: readonly (FakeWorker | undefined)[]) => of.map((task) => task?.task_id)
  // Created one after another, though within one millisecond.
  for (const [i, { task_id }] of [later, ...tasks].entries())
    await redis.zadd(store.key('session', session, 'tasks'), i, task_id)
  for (const { task_id } of tasks.slice(0, 3)) await store.cancel(task_id, 'no', 'user')
  // 5 queued and 3 cancelled.
  await store.keeping.trim(session, { ...limits, entries: 5 })
  expect(await logIds(store, session)).toHaveLength(4)
  expect(await tasksOf(keeper, session)).toEqual(ids([later, tasks[2], tasks[3]]))
  await store.keeping.trim(session, { ...limits, entries: 1 })
  expect(await tasksOf(keeper, session)).toEqual(ids([later, tasks[3]]))
  for (const id of [tasks[3]?.task_id, later.task_id]) await store.cancel(id ?? '', 'no', 'user')
  await store.keeping.trim(session, { ...limits, entries: 1 })
  expect(await tasksOf(keeper, session)).toHaveLength(1)
})

test('a long task is trimmed over several calls, as if in one', async () => {
  const keeper = await openKeeper()
  const { store, redis } = keeper
  const session = newSession()
  const old = await runTask(store, session, 'old')
  const next = await queueTask(store, session, 'next')
  for (let i = 0; i < 50; i++) await old.append(...Array.from({ length: 100 }, (_, n) => step(n)))
  await old.finish()
  await store.keeping.trim(session, { ...limits, entries: 100 })
  const { id, seq } = (await store.readLog(session, '0-0', 10))[0] ?? {}
  expect({ id: await logIds(store, session), seq }).toEqual({ id: [id], seq: 1 })
  expect(await tasksOf(keeper, session)).toEqual([next.task_id])
  expect(await redis.exists(store.key('task', old.task_id))).toBe(0)
})

test('nothing goes by age from a session that rests: it is to be evicted whole', async () => {
  const keeper = await openKeeper()
  const { store, redis } = keeper
  const session = newSession()
  const old = await runTask(store, session)
  await old.finish()
  await age(keeper, old.task_id, 2 * DAY_MS)
  await redis.hset(store.key('session', session), 'updated_at', Date.now() - 2 * DAY_MS)
  await store.keeping.trim(session, limits)
  expect(await tasksOf(keeper, session)).toEqual([old.task_id])
})

test('a child goes with its parent, not before', async () => {
  const keeper = await openKeeper()
  const { store, redis } = keeper
  const session = newSession()
  const parent = await runTask(store, session, 'parent')
  const child = await queueTask(store, session, 'child')
  await redis.hset(store.key('task', child.task_id), 'parent_task_id', parent.task_id)
  await store.cancel(child.task_id, 'no', 'user')
  await age(keeper, child.task_id, 2 * DAY_MS)
  await store.keeping.trim(session, limits)
  expect(await tasksOf(keeper, session)).toHaveLength(2)
  await parent.finish()
  await age(keeper, parent.task_id, 2 * DAY_MS)
  await store.keeping.trim(session, limits)
  expect(await tasksOf(keeper, session)).toEqual([])
  expect(await logIds(store, session)).toEqual([])
})

test('a session used without a rest for thousands of tasks stays bounded', async () => {
  const keeper = await openKeeper()
  const { store, redis } = keeper
  const session = newSession()
  const memory = async () => {
    const keys = await redis.keys(`${keeper.prefix.replaceAll(/[{}]/g, '?')}*`)
    const each = await Promise.all(keys.map((key) => redis.memory('USAGE', key, 'SAMPLES', 0)))
    return each.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0)
  }
  const bulk = async (tasks: number) => {
    for (let i = 0; i < tasks; i += 50) {
      const queued = await Promise.all(Array.from({ length: 50 }, () => queueTask(store, session)))
      await Promise.all(queued.map(({ task_id }) => store.cancel(task_id, 'no', 'user')))
    }
  }
  const trim = () => store.keeping.trim(session, { ...limits, entries: 1000 })
  await bulk(1000)
  await trim()
  const before = await memory()
  for (let i = 0; i < 3; i++) {
    await bulk(1000)
    await trim()
  }
  expect(await redis.xlen(store.key('session', session, 'log'))).toBe(1000)
  expect(await tasksOf(keeper, session)).toHaveLength(500)
  expect(await store.stats()).toMatchObject({ cancelled: 500 })
  expect(await memory()).toBeLessThan(before * 1.2)
})

test('after a trim the mirror holds what Redis holds, and costs of before are still known', async () => {
  const keeper = await openKeeper()
  const { store } = keeper
  const session = newSession()
  const old = await runTask(store, session, 'old')
  await old.finish(completed())
  await keeper.lookAt(session)
  const next = await runTask(store, session, 'next')
  await next.finish()
  await age(keeper, old.task_id, 2 * DAY_MS)
  await store.redis.hset(store.key('session', session), 'created_at', Date.now() - 2 * DAY_MS)
  await keeper.lookAt(session)

  const mirror = await readFile(keeper.folder.mirror(session), 'utf8')
  expect(mirror).not.toContain(old.task_id)
  expect(mirror).toContain(next.task_id)
  const costs = await readFile(keeper.folder.costs(session), 'utf8')
  expect(costs).toContain(old.task_id)
  expect(costs).toContain(next.task_id)
})
