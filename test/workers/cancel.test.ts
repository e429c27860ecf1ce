import { expect, test } from 'vitest'
import { processesWith } from '../support/processes.ts'
import { calls, startService } from '../support/service.ts'
import { watch } from '../support/watch.ts'

const sleeper = () => `${30 + Math.random() * 1e-3}`

test('a cancel ends a task whose model is streaming', async () => {
  const service = await startService()
  service.model.on({ turnIndex: 0 }, { content: 'words '.repeat(5000) }, { latency: 20, chunkSize: 10 })
  await service.startWorker()
  const { task_id } = await service.submit({ task: 'talk on' })
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await stream.nextLive('assistant_message')
  expect(await service.post(`/api/tasks/${task_id}/cancel`, { reason: 'enough' })).toEqual({
    message: 'Task cancelled successfully',
    task_id,
    status: 'cancelled',
  })
  expect(await stream.next('task_cancelled')).toMatchObject({ reason: 'enough', requested_by: 'user' })
  expect(await service.ended(task_id)).toMatchObject({
    status: 'cancelled',
    message: 'enough',
    stop_reason: 'cancelled',
  })
  const again = await service.post<{ status: string }>(`/api/tasks/${task_id}/cancel`)
  expect(again.status).toBe('cancelled')
})

test.each(['auto', 'off'])(
  'a cancel leaves no child of bash, not even one in a session of its own (sandbox %s)',
  async (sandbox) => {
    const service = await startService()
    const seconds = sleeper()
    service.model.on(
      { turnIndex: 0 },
      calls([
        'bash',
        {
          command: `setsid sleep ${seconds} & nohup sleep ${seconds} >/dev/null 2>&1 & echo started; sleep ${seconds}`,
        },
      ]),
    )
    await service.startWorker({ ALEX_SANDBOX: sandbox })
    const { task_id } = await service.submit({ task: 'sleep' })
    const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
    await stream.nextLive('tool_call_stream')
    expect(await processesWith(`sleep\0${seconds}`)).not.toEqual([])
    expect(await service.post(`/api/tasks/${task_id}/cancel`)).toMatchObject({ status: 'cancelled' })
    expect(await processesWith(`sleep\0${seconds}`)).toEqual([])
    const results = (
      await service.json<{ messages: { role: string; content: string }[] }>(
        `/api/sessions/${(await service.ended(task_id)).session_id}`,
      )
    ).messages.filter(({ role }) => role === 'tool')
    expect(results).toHaveLength(1)
  },
)

/** A task that was running `bash` when the only worker died, and its stream. */
const orphaned = async () => {
  const service = await startService()
  service.model.on({ turnIndex: 0 }, calls(['bash', { command: 'sleep 30' }]))
  const worker = await service.startWorker()
  const { task_id } = await service.submit({ task: 'sleep' })
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await stream.next('tool_call_start')
  await worker.end('SIGKILL')
  return { service, task_id, stream }
}

test('a task whose worker is dead ends at once when it is cancelled', async () => {
  const { service, task_id, stream } = await orphaned()
  await service.redis.hset(service.store.key('task', task_id), 'lease_until', 1)
  expect(await service.post(`/api/tasks/${task_id}/cancel`)).toMatchObject({ status: 'cancelled' })
  await stream.next('task_cancelled')
})

test('a cancel right after the only worker died ends the task without any other worker', async () => {
  const { service, task_id, stream } = await orphaned()
  await service.post(`/api/tasks/${task_id}/cancel`)
  await stream.next('task_cancelled')
  expect(await service.ended(task_id)).toMatchObject({ status: 'cancelled' })
})

test('a task that has ended cannot be cancelled: 409 names its status', async () => {
  const service = await startService()
  service.model.on({ turnIndex: 0 }, { content: 'done' })
  await service.startWorker()
  const { task_id } = await service.submit({ task: 'be quick' })
  const before = await service.ended(task_id)
  const refused = await service.post<{ detail: string }>(`/api/tasks/${task_id}/cancel`)
  expect(refused).toMatchObject({ status: 409, code: 'task_not_cancellable' })
  expect(refused.detail).toContain('completed')
  expect(await service.json(`/api/tasks/${task_id}`)).toEqual(before)
})
