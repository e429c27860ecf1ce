import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { eventually, processesWith } from '../support/processes.ts'
import { calls, startService } from '../support/service.ts'
import { watch } from '../support/watch.ts'

const Sent = z.object({ messages: z.array(z.object({ role: z.string(), content: z.string().nullish() })) })

test('a worker killed while a tool writes loses nothing and repeats nothing', async () => {
  const service = await startService()
  const seconds = `${40 + Math.random() * 1e-3}`
  service.model.on(
    { turnIndex: 0 },
    calls(['bash', { command: `echo once >> ledger; echo started; sleep ${seconds}; echo late >> ledger` }]),
  )
  service.model.on({ turnIndex: 1 }, { content: 'checked' })
  const first = await service.startWorker()
  const { task_id } = await service.submit({ task: 'write' })
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await stream.nextLive('tool_call_stream')
  await service.startWorker()
  await first.end('SIGKILL')

  expect(await stream.next('task_resumed')).toMatchObject({ attempt: 2, reason: 'worker_lost' })
  expect(await service.ended(task_id)).toMatchObject({
    status: 'completed',
    attempts: 2,
    result: { answer: 'checked' },
  })
  await eventually(async () => (await processesWith(`sleep\0${seconds}`)).length === 0)
  expect(await readFile(join(service.workspace, 'ledger'), 'utf8')).toBe('once\n')

  const told = Sent.parse(service.model.getLastRequest()?.body).messages.find(({ role }) => role === 'tool')
  expect(told?.content).toContain('interrupted: the worker was lost')
  const complete = await stream.next('tool_call_complete')
  expect(complete).toMatchObject({ interrupted: true, call_id: '1.1' })
})

test('a task outlives the only worker there was', async () => {
  const service = await startService()
  service.model.on({ turnIndex: 0 }, calls(['bash', { command: 'echo started; sleep 30' }]))
  service.model.on({ turnIndex: 1 }, { content: 'back' })
  const first = await service.startWorker()
  const { task_id } = await service.submit({ task: 'wait' })
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await stream.next('tool_call_start')
  await first.end('SIGKILL')
  await service.startWorker()
  expect(await service.ended(task_id)).toMatchObject({ status: 'completed', result: { answer: 'back' } })
  expect(stream.events.map(({ seq }) => seq)).toEqual(stream.events.map((_, i) => i + 1))
})

test('a worker told to leave finishes its step and hands the task over', async () => {
  const service = await startService()
  service.model.on(
    { turnIndex: 0 },
    calls(['bash', { command: 'echo started; until [ -e go ]; do sleep 0.05; done; echo once >> ledger' }]),
  )
  service.model.on({ turnIndex: 1 }, { content: 'done elsewhere' })
  const first = await service.startWorker()
  const { task_id } = await service.submit({ task: 'step' })
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await stream.nextLive('tool_call_stream')
  await service.startWorker()
  const left = first.end('SIGTERM')
  await eventually(async () =>
    (await service.json<{ draining: boolean }[]>('/api/workers')).some((worker) => worker.draining),
  )
  await writeFile(join(service.workspace, 'go'), '')
  expect(await left).toBe(0)
  expect(await stream.next('task_resumed')).toMatchObject({
    attempt: 2,
    reason: 'drained',
    from_iteration: 2,
  })
  expect(await service.ended(task_id)).toMatchObject({
    status: 'completed',
    result: { answer: 'done elsewhere' },
  })
  expect(await readFile(join(service.workspace, 'ledger'), 'utf8')).toBe('once\n')
  expect(service.model.getRequests()).toHaveLength(2)
})
