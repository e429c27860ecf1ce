/** Subagents on real workers: children are tasks like others, and a parent waits without a slot. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Task, TaskSummary } from '../../src/schemas/task.ts'
import { eventually } from '../support/processes.ts'
import { calls, startService } from '../support/service.ts'
import { watch } from '../support/watch.ts'

type Service = Awaited<ReturnType<typeof startService>>

const ONE_SLOT = { ALEX_WORKER_CONCURRENCY: '1' }
const isOf = (text: string) => ({ userMessage: text })

/** The parent asks for these subtasks, then answers. */
const parentOf = (service: Service, subtasks: string[], more: object = {}) => {
  service.model.on({ ...isOf('the parent'), turnIndex: 0 }, calls(['subagent', { subtasks, ...more }]))
  service.model.on({ ...isOf('the parent'), turnIndex: 1 }, { content: 'put together' })
}
const children = async (service: Service, parent: string) =>
  (await service.json<TaskSummary[]>('/api/tasks')).filter(({ parent_task_id }) => parent_task_id === parent)

const untilStatus = (service: Service, id: string, status: string) =>
  eventually(async () => (await service.json<Task>(`/api/tasks/${id}`)).status === status)

/** Each task's events are numbered without a gap and end once, each child before its parent goes on. */
const checkLog = (events: { task_id: string; seq: number; event_type: string }[], parent: string) => {
  const byTask = Map.groupBy(events, ({ task_id }) => task_id)
  for (const [id, own] of byTask) {
    expect(
      own.map(({ seq }) => seq),
      `of ${id}`,
    ).toEqual(own.map((_, i) => i + 1))
    const ends = own.filter(({ event_type }) => /^task_(complete|failed|cancelled)$/.test(event_type))
    expect(ends, `of ${id}`).toHaveLength(1)
    expect(own.at(-1), `of ${id}`).toBe(ends[0])
  }
  expect(events.at(-1)).toMatchObject({ task_id: parent })
}

test('one slot is enough: the parent waits, its children run, it goes on with their answers', async () => {
  const service = await startService()
  parentOf(service, ['the first part', 'the second part'])
  service.model.on(isOf('the first part'), { content: 'answer one' })
  service.model.on(isOf('the second part'), { content: 'answer two' })
  await service.startWorker(ONE_SLOT)
  const { task_id, session_id } = await service.submit({ task: 'the parent', tool_preset: 'read-only' })
  const session = watch(`${service.url}/api/sse?session_id=${session_id}&replay=all`)
  const own = watch(`${service.url}/api/tasks/${task_id}/events`)

  expect(await service.ended(task_id)).toMatchObject({
    status: 'completed',
    attempts: 2,
    result: { answer: 'put together' },
  })
  const complete = await own.next('tool_call_complete')
  expect(complete['result']).toMatch(/2 of 2 subtasks completed.*answer one.*answer two/s)
  expect(await own.next('task_resumed')).toMatchObject({ reason: 'woken' })
  expect(own.events.every((event) => event.task_id === task_id)).toBe(true)
  await session.next('task_complete', task_id)
  checkLog(session.events, task_id)

  const made = await children(service, task_id)
  expect(made).toMatchObject([1, 2].map(() => ({ status: 'completed', tool_preset: 'read-only' })))
  const stream = watch(`${service.url}/api/tasks/${made[0]?.task_id}/events`)
  expect(await stream.next('task_complete')).toMatchObject({ parent_task_id: task_id })
  const [listed, messages] = await Promise.all([
    service.json<object[]>('/api/sessions'),
    service.json<{ messages: { task_id: string }[] }>(`/api/sessions/${session_id}`),
  ])
  expect(listed).toMatchObject([{ session_id, title: 'the parent' }])
  expect(messages.messages.every((message) => message.task_id === task_id)).toBe(true)
})

test('a worker killed while a child runs loses nothing, and the child is what comes back', async () => {
  const service = await startService()
  parentOf(service, ['the slow part'])
  service.model.on(
    { ...isOf('the slow part'), turnIndex: 0 },
    calls(['bash', { command: 'echo started; until [ -e go ]; do sleep 0.05; done' }]),
  )
  service.model.on({ ...isOf('the slow part'), turnIndex: 1 }, { content: 'slow answer' })
  const first = await service.startWorker(ONE_SLOT)
  const { task_id, session_id } = await service.submit({ task: 'the parent' })
  const session = watch(`${service.url}/api/sse?session_id=${session_id}&replay=all`)
  await session.nextLive('tool_call_stream')
  expect(await service.json('/api/tasks/stats')).toMatchObject({ waiting: 1, running: 1, pending: 0 })
  await first.end('SIGKILL')
  await writeFile(join(service.workspace, 'go'), '')
  await service.startWorker(ONE_SLOT)

  expect(await service.ended(task_id)).toMatchObject({ status: 'completed', attempts: 2 })
  expect(await children(service, task_id)).toMatchObject([{ status: 'completed', attempts: 2 }])
  const complete = await session.next('tool_call_complete', task_id)
  expect(complete['result']).toContain('slow answer')
  checkLog(session.events, task_id)
  expect(session.events.filter(({ event_type }) => event_type === 'task_queued')).toHaveLength(2)
})

test('a parent killed while it goes on finds the same children and their answers', async () => {
  const service = await startService()
  service.model.on({ ...isOf('the parent'), turnIndex: 0 }, calls(['subagent', { subtasks: ['a part'] }]))
  service.model.on(
    { ...isOf('the parent'), turnIndex: 1 },
    calls(['bash', { command: 'echo started; sleep 30' }]),
  )
  service.model.on({ ...isOf('the parent'), turnIndex: 2 }, { content: 'put together' })
  service.model.on(isOf('a part'), { content: 'its answer' })
  const first = await service.startWorker(ONE_SLOT)
  const { task_id, session_id } = await service.submit({ task: 'the parent' })
  const session = watch(`${service.url}/api/sse?session_id=${session_id}&replay=all`)
  await session.nextLive('tool_call_stream')
  await first.end('SIGKILL')
  await service.startWorker(ONE_SLOT)
  expect(await service.ended(task_id)).toMatchObject({ status: 'completed', attempts: 3 })
  expect(await children(service, task_id)).toMatchObject([{ status: 'completed', attempts: 1 }])
  await session.next('task_complete', task_id)
  checkLog(session.events, task_id)
})

test('a cancelled parent takes its children along, the running one first', async () => {
  const service = await startService()
  parentOf(service, ['the slow part', 'another part'], { mode: 'serial' })
  service.model.on(isOf('the slow part'), calls(['bash', { command: 'echo started; sleep 30' }]))
  await service.startWorker()
  const { task_id, session_id } = await service.submit({ task: 'the parent' })
  const session = watch(`${service.url}/api/sse?session_id=${session_id}&replay=all`)
  await session.nextLive('tool_call_stream')
  expect(await service.post(`/api/tasks/${task_id}/cancel`)).toMatchObject({ status: 'cancelled' })
  expect(await children(service, task_id)).toMatchObject([{ status: 'cancelled' }, { status: 'cancelled' }])
  await session.next('task_cancelled', task_id)
  checkLog(session.events, task_id)
})

test('a child that fails or is cancelled is a result, and the parent goes on', async () => {
  const service = await startService()
  parentOf(service, ['the slow part', 'the other part'])
  service.model.on(isOf('the slow part'), calls(['bash', { command: 'echo started; sleep 30' }]))
  service.model.on(isOf('the other part'), { content: 'other answer' })
  await service.startWorker()
  const { task_id, session_id } = await service.submit({ task: 'the parent' })
  const session = watch(`${service.url}/api/sse?session_id=${session_id}&replay=all`)
  const frame = await session.nextLive('tool_call_stream')
  await service.post(`/api/tasks/${String(frame['task_id'])}/cancel`, { reason: 'not this one' })
  expect(await service.ended(task_id)).toMatchObject({ status: 'completed' })
  const complete = await session.next('tool_call_complete', task_id)
  expect(complete['result']).toMatch(/1 of 2 .*cancelled \(not this one\).*other answer/s)
})

test('a task whose time is up while it waits ends after its children', async () => {
  const service = await startService()
  parentOf(service, ['the slow part', 'another part'], { mode: 'serial' })
  service.model.on(isOf('the slow part'), calls(['bash', { command: 'echo started; sleep 30' }]))
  await service.startWorker()
  const { task_id, session_id } = await service.submit({ task: 'the parent', timeout_s: 2 })
  const session = watch(`${service.url}/api/sse?session_id=${session_id}&replay=all`)
  await untilStatus(service, task_id, 'waiting')
  expect(await service.ended(task_id)).toMatchObject({ status: 'failed', error: { code: 'timeout' } })
  expect(await children(service, task_id)).toMatchObject([
    { status: 'failed', error: { code: 'timeout' } },
    { status: 'failed', error: { code: 'timeout' } },
  ])
  await session.next('task_failed', task_id)
  checkLog(session.events, task_id)
})
