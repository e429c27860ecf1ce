/** The clock of Redis' host jumps; leases, back-offs and tickets are reckoned by it. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { LEASE_MS } from '../../src/tasks/store.ts'
import { startApi } from '../support/api.ts'
import { jumpClock } from '../support/clock.ts'
import { eventually } from '../support/processes.ts'
import { openStore } from '../support/redis.ts'
import { calls, startService } from '../support/service.ts'
import { newSession, queueTask, runTask, step, watch } from '../support/sse.ts'

const HOUR_MS = 3_600_000
const FOUND_WITHIN_MS = LEASE_MS + 3000

/** A task at work in each of two workers; `open` lets their commands end. */
const twoAtWork = async () => {
  const service = await startService()
  service.model.on(
    { turnIndex: 0 },
    calls(['bash', { command: 'echo started; until [ -e go ]; do sleep 0.05; done' }]),
  )
  service.model.on({ turnIndex: 1 }, { content: 'done' })
  const [first, second] = await Promise.all([
    service.startWorker({ ALEX_WORKER_CONCURRENCY: '1' }),
    service.startWorker({ ALEX_WORKER_CONCURRENCY: '1' }),
  ])
  const tasks = await Promise.all([service.submit({ task: 'one' }), service.submit({ task: 'two' })])
  for (const { task_id } of tasks) {
    using stream = watch(`${service.url}/api/tasks/${task_id}/events`)
    await stream.untilType('tool_call_start')
  }
  const runs = await Promise.all(tasks.map(({ task_id }) => service.store.get(task_id)))
  const of = (pid: number) => runs.find((record) => record?.worker?.includes(`-${pid}-`))?.id ?? ''
  return {
    service,
    first: { ...first, task: of(first.pid) },
    second: { ...second, task: of(second.pid) },
    open: () => writeFile(join(service.workspace, 'go'), ''),
  }
}

test('an hour ahead: no lease is lost', async () => {
  const { service, first, second, open } = await twoAtWork()
  await jumpClock(service.store, HOUR_MS / 2)
  const longer = Date.now() + LEASE_MS + 500
  await eventually(async () => Number(await service.redis.get(service.store.key('last_beat'))) > longer)
  await open()
  for (const { task } of [first, second])
    expect(await service.ended(task)).toMatchObject({ status: 'completed', attempts: 1 })
})

test('an hour back: the task of a worker that is dead is found all the same, the living keep theirs', async () => {
  const { service, first, second, open } = await twoAtWork()
  using stream = watch(`${service.url}/api/tasks/${first.task}/events`)
  await first.end('SIGKILL')
  await jumpClock(service.store, -HOUR_MS)
  const began = performance.now()
  await open()
  await stream.untilType('task_resumed')
  const took = performance.now() - began
  expect(took).toBeLessThan(FOUND_WITHIN_MS)
  expect(await service.ended(first.task)).toMatchObject({ status: 'completed', attempts: 2 })
  expect(await service.ended(second.task)).toMatchObject({ status: 'completed', attempts: 1 })
  const alive = async () => (await service.json<{ pid: number }[]>('/api/workers')).map(({ pid }) => pid)
  await eventually(async () => (await alive()).length === 1)
  expect(await alive()).toEqual([second.pid])
})

const setup = () => {
  const open = openStore()
  onTestFinished(() => open[Symbol.asyncDispose]())
  const { store, redis } = open
  const beat = () => store.beat({ id: 'w', info: '{}' }, [], 20)
  const ahead = async (key: string, id: string) => {
    const [seconds] = await redis.time()
    return Number(await redis.zscore(store.key(key), id)) - Number(seconds) * 1000
  }
  return { ...open, beat, ahead }
}

test('an hour back: a task that was lost again comes back and runs alone no longer than before', async () => {
  const { store, redis, beat, ahead } = setup()
  const lost = await Promise.all(
    ['a', 'b'].map(async () => {
      const { task_id } = await runTask(store, newSession())
      await redis.hset(store.key('task', task_id), { losses: 1, lease_until: 1 })
      await redis.zadd(store.key('due'), 1, task_id)
      return task_id
    }),
  )
  const { tickets } = await beat()
  for (const { task_id, n } of tickets) await store.begin({ task_id, n }, task_id, 'w')
  const waits = async (id: string) => (await redis.hexists(store.key('task', id), 'not_before')) === 1
  const [waiting] = (await waits(lost[0] ?? '')) ? lost : lost.toReversed()
  if (waiting === undefined || !(await waits(waiting))) throw new Error('one of the two was to wait')
  await jumpClock(store, -HOUR_MS)
  expect(await ahead('due', waiting)).toBeGreaterThan(HOUR_MS / 2)
  await beat()
  expect(await ahead('due', waiting)).toBeLessThanOrEqual(2000)
  const [seconds] = await redis.time()
  const alone = Number(await redis.hget(store.key('task', waiting), 'alone_until'))
  expect(alone - Number(seconds) * 1000).toBeLessThanOrEqual(21_000)
})

test('an hour back: lost tickets and deleted sessions are looked for as soon as ever', async () => {
  const { store, beat, ahead } = setup()
  await beat()
  const { task_id } = await queueTask(store, newSession())
  const gone = newSession()
  await queueTask(store, gone)
  await store.deleteSession(gone, 'deleted', 'user')
  await jumpClock(store, -HOUR_MS)
  expect((await beat()).purge).toEqual([gone])
  expect(await ahead('due:tickets', task_id)).toBeLessThan(5000)
})

test('an hour back: a deadline moves along, a schedule names the time it names', async () => {
  const { store, beat, ahead } = setup()
  await beat()
  const { task_id } = await runTask(store, newSession())
  const later = `task-${newSession()}`
  await store.create({
    task_id: later,
    session_id: newSession(),
    title: 't',
    fields: { timeout_s: '60', priority: '5' },
    run_at_ms: Date.now() + 60_000,
  })
  await jumpClock(store, -HOUR_MS)
  await beat()
  expect(Number((await store.get(task_id))?.deadline) - Date.now()).toBeLessThanOrEqual(601_000)
  expect(await ahead('due', task_id)).toBeLessThanOrEqual(LEASE_MS + 1000)
  expect(await ahead('due', later)).toBeGreaterThan(HOUR_MS)
})

test('many tasks are brought near a part with each beat', async () => {
  const { store, redis, beat, ahead } = setup()
  await beat()
  const ids = []
  for (let i = 0; i < 250; i++) ids.push((await runTask(store, newSession())).task_id)
  await jumpClock(store, -HOUR_MS)
  for (const left of [150, 50, 0]) {
    await beat()
    expect(await redis.zcard(store.key('mend'))).toBe(left)
  }
  for (const id of ids) expect(await ahead('due', id)).toBeLessThanOrEqual(LEASE_MS + 1000)
})

test('log ids of a time to come: what follows comes after them, live and resumed', async () => {
  const { store, redis, url, prefix } = setup()
  await using api = await startApi({ url, prefix })
  const session = newSession()
  const task = await runTask(store, session)
  const [seconds] = await redis.time()
  await redis.call('XSETID', store.key('session', session, 'log'), `${Number(seconds) * 1000 + HOUR_MS}-0`)
  using live = watch(`${api.url}/api/sse?session_id=${session}`)
  await live.untilType('task_started')
  const [first] = await task.append(step(1))
  const [second] = await task.append(step(2))
  await live.untilId(String(second))
  using resumed = watch(`${api.url}/api/sse?session_id=${session}`, { lastEventId: String(first) })
  await task.finish()
  await Promise.all([live.untilType('task_complete'), resumed.untilType('task_complete')])
  expect(live.ids().slice(-3)).toEqual([first, ...resumed.ids()])
})
