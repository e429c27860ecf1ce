/** The time a task may take runs from its first activation on, whatever happens to its workers. */
import { expect, test } from 'vitest'
import { eventually } from '../support/processes.ts'
import { openStore } from '../support/redis.ts'
import { calls, startService } from '../support/service.ts'
import { newSession, runTask, watch } from '../support/sse.ts'

const SO_FAR = 'Half of it is "done"/…'

/** A task that has said something and is at a long command, on the first of two workers. */
const atWork = async (timeout_s: number) => {
  const service = await startService()
  service.model.on(
    { turnIndex: 0 },
    { content: SO_FAR, ...calls(['bash', { command: 'echo started; sleep 60' }]) },
  )
  service.model.on({ turnIndex: 1 }, calls(['bash', { command: 'echo again; sleep 60' }]))
  const first = await service.startWorker({ ALEX_SHUTDOWN_GRACE_S: '0.5' })
  const { task_id } = await service.submit({ task: 'take your time', timeout_s })
  using stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await stream.untilType('tool_call_start')
  return { service, first, task_id }
}

const TIMED_OUT = {
  status: 'failed',
  stop_reason: 'timeout',
  error: { code: 'timeout' },
  result: { answer: SO_FAR },
}

test('a task whose worker is dead ends when its time is up, with its best answer so far', async () => {
  const { service, first, task_id } = await atWork(2)
  using stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await first.end('SIGKILL')
  await service.startWorker()
  expect(await service.ended(task_id)).toMatchObject({ ...TIMED_OUT, attempts: 1 })
  await stream.untilType('task_failed')
  expect(stream.seen.at(-1)?.data).toMatchObject({ partial_answer: SO_FAR, stop_reason: 'timeout' })
})

test('a task that is continued after a crash has what is left of its time', async () => {
  const { service, first, task_id } = await atWork(12)
  await first.end('SIGKILL')
  await service.startWorker()
  const task = await service.ended(task_id)
  expect(task).toMatchObject({ ...TIMED_OUT, attempts: 2 })
  expect(task.duration_ms).toBeGreaterThan(11_900)
  expect(task.duration_ms).toBeLessThan(16_000)
})

test('a task that was handed over has what is left of its time', async () => {
  const { service, first, task_id } = await atWork(12)
  using stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await service.startWorker()
  expect(await first.end('SIGTERM')).toBe(0)
  await stream.untilType('task_resumed')
  const task = await service.ended(task_id)
  expect(task).toMatchObject(TIMED_OUT)
  expect(task.attempts).toBeGreaterThan(1)
  expect(task.duration_ms).toBeGreaterThan(11_900)
  expect(task.duration_ms).toBeLessThan(16_000)
})

test('a task that waits after its second loss ends when its time is up', async () => {
  await using open = openStore()
  const { store, redis } = open
  const { task_id, session_id } = await runTask(store, newSession())
  const [seconds] = await redis.time()
  const deadline = Number(seconds) * 1000 + 1000
  await redis.hset(store.key('task', task_id), { losses: 3, lease_until: 1, deadline })
  await redis.zadd(store.key('due'), 1, task_id)
  await store.beat({ id: 'w', info: '{}' }, [], 20)
  expect(await store.get(task_id)).toMatchObject({ status: 'pending' })
  await eventually(async () => {
    await store.beat({ id: 'w', info: '{}' }, [], 20)
    return (await store.get(task_id))?.status === 'failed'
  })
  const last = (await store.readLog(session_id, '0-0', 100)).at(-1)
  expect(last).toMatchObject({ event_type: 'task_failed', error: { code: 'timeout' } })
  expect(last).not.toHaveProperty('partial_answer')
})
