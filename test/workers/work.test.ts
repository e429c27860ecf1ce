import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { calls, startService } from '../support/service.ts'
import { watch } from '../support/watch.ts'

const Sent = z.object({
  messages: z.array(
    z.object({
      role: z.string(),
      content: z.string().nullish(),
      tool_call_id: z.string().optional(),
      tool_calls: z.array(z.object({ id: z.string() })).optional(),
    }),
  ),
})

test('an agent works five iterations on real files while its events are watched', async () => {
  const service = await startService()
  const { model } = service
  model.on(
    { turnIndex: 0 },
    { content: 'First a file.', ...calls(['file_write', { path: 'notes/a.txt', content: 'one\ntwo\n' }]) },
  )
  model.on(
    { turnIndex: 1 },
    calls(['file_edit', { file_path: 'notes/a.txt', old_string: 'two', new_string: 'three' }]),
  )
  model.on({ turnIndex: 2 }, calls(['file_read', '{"path": "notes/a.t'], ['teleport', { to: 'Mars' }]))
  model.on(
    { turnIndex: 3 },
    calls(['grep', { pattern: 'three' }], ['bash', { command: 'wc -l < notes/a.txt' }]),
  )
  model.on({ turnIndex: 4 }, { content: 'The file is written.' })
  await service.startWorker()

  const { task_id } = await service.submit({ task: 'write a file', session_id: 'five' })
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await stream.next('task_complete')
  const task = await service.ended(task_id)

  expect(task).toMatchObject({
    status: 'completed',
    stop_reason: 'final_answer',
    current_iteration: 5,
    result: { answer: 'The file is written.' },
    usage: { model_calls: 5, tool_calls: 6 },
  })
  expect(await readFile(join(service.workspace, 'notes/a.txt'), 'utf8')).toBe('one\nthree\n')
  expect(stream.events.map(({ seq }) => seq)).toEqual(stream.events.map((_, i) => i + 1))

  const results = stream.events.filter(({ event_type }) => event_type === 'tool_call_complete')
  expect(results.map(({ tool_name, error }) => [tool_name, error !== undefined])).toEqual([
    ['file_write', false],
    ['file_edit', false],
    ['file_read', true],
    ['teleport', true],
    ['grep', false],
    ['bash', false],
  ])
  for (const entry of model.getRequests()) {
    const { messages } = Sent.parse(entry.body)
    const asked = messages.flatMap((message) => message.tool_calls?.map(({ id }) => id) ?? [])
    expect(messages.flatMap((message) => message.tool_call_id ?? [])).toEqual(asked)
  }
})

test('a follow-up in the same session sees what was said before', async () => {
  const service = await startService()
  service.model.on({ userMessage: /number/ }, { content: 'The number is 41.' })
  service.model.on({ userMessage: /again/ }, { content: 'As I said.' })
  await service.startWorker()
  const first = await service.submit({ task: 'tell me a number', session_id: 'talk' })
  const second = await service.submit({ task: 'say it again', session_id: 'talk' })
  await service.ended(second.task_id)
  expect(await service.ended(first.task_id)).toMatchObject({ status: 'completed' })
  const { messages } = Sent.parse(service.model.getLastRequest()?.body)
  expect(messages.slice(1)).toMatchObject([
    { role: 'user', content: 'tell me a number' },
    { role: 'assistant', content: 'The number is 41.' },
    { role: 'user', content: 'say it again' },
  ])
})

test('a tool preset holds when tools are offered and when one is called all the same', async () => {
  const service = await startService()
  service.model.on(
    { turnIndex: 0 },
    calls(['bash', { command: 'touch escaped' }], ['file_write', { path: 'escaped', content: '' }]),
  )
  service.model.on({ turnIndex: 1 }, { content: 'refused' })
  await service.startWorker()
  const { task_id } = await service.submit({ task: 'look', tool_preset: 'read-only' })
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await stream.next('task_complete')
  const offered = z.object({ tools: z.array(z.object({ function: z.object({ name: z.string() }) })) })
  const names = offered.parse(service.model.getRequests()[0]?.body).tools.map((tool) => tool.function.name)
  expect(names).toContain('file_read')
  expect(names).not.toContain('bash')
  const results = stream.events.filter(({ event_type }) => event_type === 'tool_call_complete')
  for (const result of results) expect(String(result['result'])).toContain('read-only')
  await expect(readFile(join(service.workspace, 'escaped'))).rejects.toThrow('ENOENT')
})

test('a task that may not take so long fails with timeout', async () => {
  const service = await startService()
  service.model.on({ turnIndex: 0 }, calls(['bash', { command: 'sleep 60' }]))
  await service.startWorker()
  const { task_id } = await service.submit({ task: 'sleep', timeout_s: 0.5 })
  expect(await service.ended(task_id)).toMatchObject({
    status: 'failed',
    stop_reason: 'timeout',
    error: { code: 'timeout' },
  })
})
