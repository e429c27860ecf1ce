import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import type { ComponentState, Health, WorkerInfo } from '../../src/schemas/health.ts'
import { everything, makeFolder, odd, traceIn } from '../mcp/support.ts'
import { eventually, processesWith } from '../support/processes.ts'
import { calls, startService } from '../support/service.ts'
import { watch } from '../support/watch.ts'

const Offered = z.object({ tools: z.array(z.object({ function: z.object({ name: z.string() }) })) })

const System = z.object({ messages: z.array(z.object({ content: z.string().nullish() })) })
const Presets = z.object({
  tool_presets: z.array(
    z.object({ name: z.string(), allowed: z.array(z.string()), denied: z.array(z.string()) }),
  ),
})

const startWith = async (mcpServers: Record<string, object>) => {
  const service = await startService()
  const path = join(await makeFolder(), 'mcp-config.json')
  await writeFile(path, JSON.stringify({ mcpServers }))
  const health = async (): Promise<ComponentState | undefined> => {
    const { components } = await service.json<Health>('/health')
    return components.find(({ name }) => name === 'mcp')
  }
  return {
    ...service,
    health,
    untilHealth: (status: string) => eventually(async () => (await health())?.status === status),
    start: () => service.startWorker({ ALEX_MCP_CONFIG: path }),
  }
}

test('a task uses a tool of an MCP server, whatever other servers do', async () => {
  const hanging = await makeFolder()
  const service = await startWith({
    all: everything,
    hanging: odd('hanging', hanging),
    none: { command: 'no-such' },
  })
  service.model.on({ turnIndex: 0 }, calls(['mcp__all__get-sum', { a: 40, b: 2 }]))
  service.model.on({ turnIndex: 1 }, { content: 'It is 42.' })
  await service.start()
  await eventually(async () => (await service.health())?.details?.['servers'] === 1)
  expect(await service.health()).toMatchObject({
    status: 'not_ready',
    message: expect.stringMatching(/^2 of 3 servers not connected: hanging: .+; none: cannot start/),
  })

  const { task_id } = await service.submit({ task: 'add' })
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  expect(await stream.next('tool_call_start')).toMatchObject({
    tool_name: 'mcp__all__get-sum',
    effect: 'read',
  })
  expect(await stream.next('tool_call_complete')).toMatchObject({ result: 'The sum of 40 and 2 is 42.' })
  expect(await service.ended(task_id)).toMatchObject({ status: 'completed' })
})

test('a tool that appears during a task is offered with the next model call', async () => {
  const service = await startWith({ odd: odd('well', await makeFolder()) })
  service.model.on({ turnIndex: 0 }, calls(['mcp__odd__grow', {}]))
  // Time for the server to say that it has one more.
  service.model.on({ turnIndex: 1 }, calls(['mcp__odd__slow', { ms: 300 }]))
  service.model.on({ turnIndex: 2 }, calls(['mcp__odd__grown', {}]))
  service.model.on({ turnIndex: 3 }, { content: 'tall' })
  await service.start()
  await service.untilHealth('ready')
  const { task_id } = await service.submit({ task: 'grow' })
  await service.ended(task_id)
  const offered = service.model
    .getRequests()
    .map(({ body }) => Offered.parse(body).tools.map((tool) => tool.function.name))
  expect(offered[0]).not.toContain('mcp__odd__grown')
  expect(offered[2]).toContain('mcp__odd__grown')
  expect(JSON.stringify(service.model.getLastRequest()?.body)).toContain('tall')
  // The system prompt's own list keeps up with what is offered.
  const told = service.model.getRequests().map(({ body }) => System.parse(body).messages[0]?.content ?? '')
  expect(told[0]).not.toContain('mcp__odd__grown')
  expect(told[2]).toContain('mcp__odd__grown')
})

test('GET /api/presets names the tools of the MCP servers that workers have now', async () => {
  const service = await startWith({ odd: odd('well', await makeFolder()) })
  const presets = async () =>
    Presets.parse(await service.json('/api/presets')).tool_presets.map(({ name, allowed, denied }) => ({
      name,
      allowed: allowed.filter((tool) => tool.startsWith('mcp__')),
      denied: denied.filter((tool) => tool.startsWith('mcp__')),
    }))
  expect((await presets()).flatMap(({ allowed, denied }) => [...allowed, ...denied])).toEqual([])
  const worker = await service.start()
  await service.untilHealth('ready')
  const both = ['mcp__odd__grow', 'mcp__odd__look']
  await eventually(async () => (await presets()).some(({ allowed }) => allowed.includes('mcp__odd__look')))
  const views = Object.fromEntries((await presets()).map(({ name, ...view }) => [name, view]))
  expect(views['full']).toEqual({ allowed: expect.arrayContaining(both), denied: [] })
  for (const name of ['read-only', 'safe'])
    expect(views[name]).toEqual({
      allowed: ['mcp__odd__look'],
      denied: expect.arrayContaining(['mcp__odd__grow']),
    })
  for (const name of ['code-only', 'web-only'])
    expect(views[name]).toEqual({ allowed: [], denied: expect.arrayContaining(both) })
  await worker.end('SIGTERM')
  await eventually(async () => (await presets()).every(({ allowed }) => allowed.length === 0))
})

test('a worker that is stopped beyond its lease has no server any more, and starts it again', {
  timeout: 40_000,
}, async () => {
  const folder = await makeFolder()
  const service = await startWith({ odd: odd('well', folder) })
  service.model.on({ turnIndex: 0 }, calls(['mcp__odd__slow', { ms: 4_000 }]))
  service.model.on({ turnIndex: 1 }, { content: 'checked' })
  const first = await service.start()
  await service.untilHealth('ready')
  const { task_id } = await service.submit({ task: 'act slowly' })
  await eventually(async () => (await traceIn(folder)).includes('slow began'))

  process.kill(first.pid, 'SIGSTOP')
  onTestFinished(() => void process.kill(first.pid, 'SIGCONT'))
  await eventually(async () => (await processesWith(folder)).length === 0)
  await service.start()
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  expect(await stream.next('tool_call_complete')).toMatchObject({ interrupted: true })
  expect(await service.ended(task_id)).toMatchObject({ status: 'completed', attempts: 2 })

  process.kill(first.pid, 'SIGCONT')
  await eventually(async () => {
    const workers = await service.json<WorkerInfo[]>('/api/workers')
    const state = workers.find(({ pid }) => pid === first.pid)?.components.find(({ name }) => name === 'mcp')
    return state?.status === 'ready' && (await processesWith(folder)).length === 2
  })
  expect(await traceIn(folder)).not.toContain('slow took effect')
})

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'a worker that ends by %s leaves no server behind',
  async (signal) => {
    const folder = await makeFolder()
    const service = await startWith({ odd: odd('well', folder), hanging: odd('hanging', folder) })
    const worker = await service.start()
    await eventually(async () => (await processesWith(folder)).length === 2)
    expect(await worker.end(signal)).toBe(signal === 'SIGTERM' ? 0 : null)
    await eventually(async () => (await processesWith(folder)).length === 0)
  },
)
