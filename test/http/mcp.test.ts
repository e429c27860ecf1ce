/** ALEX as an MCP server, asked by the SDK's own client; nothing works on the tasks here. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { IncomingMessage, request } from 'node:http'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { startApi } from '../support/api.ts'
import { connectMcp } from '../support/mcp-client.ts'
import { newSession } from '../support/sse.ts'
import { problemIn } from './support.ts'

type Api = Awaited<ReturnType<typeof startApi>>
let api: Api
beforeAll(async () => {
  api = await startApi({ secrets: ['sk-verysecret'] })
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

const Created = z.object({ task_id: z.string(), session_id: z.string(), replayed: z.boolean() })
const Listed = z.object({
  tasks: z.array(z.object({ task_id: z.string() })),
  total: z.number().optional(),
  next_cursor: z.string().optional(),
})
const HEADERS = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' }
const LIST = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
const post = (body: unknown, headers: Record<string, string> = {}, url = api.url) =>
  fetch(`${url}/mcp`, {
    method: 'POST',
    headers: { ...HEADERS, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

test('a client is told what the tools take, give and do', async () => {
  const { client } = await connectMcp(api.url)
  expect(client.getServerVersion()).toMatchObject({ name: 'alex', version: 'test' })
  expect(client.getInstructions()).toContain('wait_for_task')
  const { tools } = await client.listTools()
  const readers = tools.filter(({ annotations }) => annotations?.readOnlyHint === true)
  expect(tools.map(({ name }) => name)).toEqual([
    'submit_task',
    'wait_for_task',
    'get_task',
    'list_tasks',
    'cancel_task',
  ])
  expect(readers.map(({ name }) => name)).toEqual(['wait_for_task', 'get_task', 'list_tasks'])
  const [submit] = tools
  expect(submit?.inputSchema).toMatchObject({
    required: ['task'],
    additionalProperties: false,
    properties: {
      task: { type: 'string', maxLength: 200_000 },
      tool_preset: { description: expect.stringContaining('read-only') },
      priority: { minimum: 0, maximum: 9 },
    },
  })
  const properties = tools.flatMap(({ inputSchema }) => Object.entries(inputSchema.properties ?? {}))
  const unexplained = properties.filter(([, schema]) => !('description' in schema))
  expect(unexplained.map(([name]) => name)).toEqual([])
})

test('a task is submitted, read, listed and cancelled as over REST', async () => {
  const { value } = await connectMcp(api.url)
  const session_id = newSession()
  const task = {
    task: 'look around',
    session_id,
    agent_preset: 'researcher',
    tool_preset: 'read-only',
    max_iterations: 3,
    max_total_tokens: 5000,
    priority: 2,
    run_at: '2999-01-01T00:00:00+02:00',
    metadata: { from: 'an editor' },
  }
  const { task_id } = Created.parse(await value('submit_task', task))
  const { run_at: _, ...same } = task
  const read = await value('get_task', { task_id })
  expect(read).toMatchObject({ task_id, status: 'pending', run_at: '2998-12-31T22:00:00.000Z', ...same })
  expect(await (await api.request(`/api/tasks/${task_id}`)).json()).toEqual(read)
  const listed = Listed.parse(await value('list_tasks', { session_id, status: ['pending'], q: 'LOOK' }))
  expect(listed.tasks.map((one) => one.task_id)).toEqual([task_id])
  expect(await value('cancel_task', { task_id, reason: 'changed my mind' })).toEqual({
    message: 'Task cancelled successfully',
    task_id,
    status: 'cancelled',
  })
  expect(await value('wait_for_task', { task_id })).toMatchObject({
    ended: true,
    task: { status: 'cancelled', message: 'changed my mind' },
  })
})

test('an idempotency key holds over MCP and REST alike', async () => {
  const { value, call } = await connectMcp(api.url)
  const key = randomUUID()
  const task = { task: 'once', session_id: newSession() }
  const first = Created.parse(await value('submit_task', { ...task, idempotency_key: key }))
  const again = Created.parse(await value('submit_task', { ...task, idempotency_key: key }))
  expect(again).toEqual({ ...first, replayed: true })
  const overRest = await api.request('/api/tasks', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key },
    body: JSON.stringify(task),
  })
  expect([overRest.status, await overRest.json()]).toMatchObject([200, { task_id: first.task_id }])
  expect(await call('submit_task', { ...task, task: 'other', idempotency_key: key })).toMatchObject({
    failed: true,
    said: { status: 409, code: 'idempotency_conflict' },
  })
})

test('long lists are read page by page', async () => {
  const { value } = await connectMcp(api.url)
  const session_id = newSession()
  for (let i = 0; i < 3; i++) await value('submit_task', { task: `number ${i}`, session_id })
  const first = Listed.parse(await value('list_tasks', { session_id, limit: 2 }))
  expect([first.total, first.tasks.length]).toEqual([3, 2])
  const rest = Listed.parse(await value('list_tasks', { session_id, limit: 2, cursor: first.next_cursor }))
  expect([rest.tasks.length, rest.next_cursor]).toEqual([1, undefined])
})

test.each([
  ['get_task', { task_id: 'task-unknown' }, 404, 'task_not_found', 'no task has the id task-unknown'],
  ['wait_for_task', { task_id: 'task-unknown' }, 404, 'task_not_found', 'no task has the id'],
  ['cancel_task', { task_id: 'task-unknown' }, 404, 'task_not_found', 'no task has the id'],
  ['submit_task', {}, 400, 'invalid_request', 'task: required'],
  ['submit_task', { task: ' ' }, 400, 'invalid_request', 'task: must not be blank'],
  ['submit_task', { task: 'x', prio: 1 }, 400, 'invalid_request', 'prio: unknown field'],
  ['submit_task', { task: 'x', tool_preset: 'all' }, 400, 'unknown_preset', 'known: '],
  ['submit_task', { task: 'x', idempotency_key: '' }, 400, 'invalid_request', '1 to 255 characters'],
  ['submit_task', { task: 'x', agent_preset: 'sk-verysecret' }, 400, 'unknown_preset', '[redacted]'],
  ['wait_for_task', { task_id: 'task-1', wait_s: 61 }, 400, 'invalid_request', 'wait_s'],
  ['list_tasks', { cursor: 'none of ours' }, 400, 'invalid_cursor', 'none of ours'],
])('%s with %j fails as the route does', async (name, args, status, code, detail) => {
  const { call } = await connectMcp(api.url)
  const { failed, said, value } = await call(name, args)
  expect(failed).toBe(true)
  expect(value).toBeUndefined()
  expect(said).toMatchObject({ status, code, detail: expect.stringContaining(detail) })
})

test('cancelling a task that has ended says how it ended', async () => {
  const { value, call } = await connectMcp(api.url)
  const { task_id } = Created.parse(await value('submit_task', { task: 'x', session_id: newSession() }))
  await value('cancel_task', { task_id })
  expect((await call('cancel_task', { task_id })).failed).toBe(false)
  expect(await call('cancel_task', { task_id: 'x'.repeat(201) })).toMatchObject({
    said: { code: 'invalid_request' },
  })
})

test('an unknown tool, method or protocol version is an error of the protocol', async () => {
  const { client } = await connectMcp(api.url)
  await expect(client.callTool({ name: 'drop_everything', arguments: {} })).rejects.toThrow(
    'unknown tool: drop_everything',
  )
  await expect(client.listResources()).rejects.toThrow('Method not found')
  const answer = await post({ ...LIST, method: 'resources/list' })
  expect(await answer.text()).toContain('-32601')
  expect((await post(LIST, { 'Mcp-Protocol-Version': '1999-01-01' })).status).toBe(400)
})

test('no request needs another one before it', async () => {
  const answer = await post(LIST)
  expect([answer.status, answer.headers.get('Mcp-Session-Id')]).toEqual([200, null])
  expect(await answer.text()).toContain('submit_task')
})

test('GET and DELETE are 405: there is neither a stream nor a session to speak of', async () => {
  for (const method of ['GET', 'DELETE']) {
    const answer = await api.request('/mcp', { method, headers: { Accept: 'text/event-stream' } })
    expect(answer.headers.get('Allow')).toContain('POST')
    expect(await problemIn(answer)).toMatchObject({ status: 405, code: 'method_not_allowed' })
  }
})

test('bodies are bounded and checked as everywhere', async () => {
  const { status, code } = await problemIn(await post({ ...LIST, params: { x: 'y'.repeat(1024 * 1024) } }))
  expect([status, code]).toEqual([413, 'body_too_large'])
  expect(await problemIn(await post('{"jsonrpc":'))).toMatchObject({ status: 400, code: 'invalid_json' })
  expect((await post({ hello: 'world' })).status).toBe(400)
  expect((await post(LIST, { 'Content-Type': 'application/x-www-form-urlencoded' })).status).toBe(415)
  expect((await post(LIST, { Accept: 'application/json' })).status).toBe(406)
})

test('who may not ask the API may not ask over MCP', async () => {
  await using guarded = await startApi({ tokens: ['secret-1'] })
  const bearer = { Authorization: 'Bearer secret-1' }
  const { value } = await connectMcp(guarded.url, { headers: bearer })
  expect(await value('list_tasks')).toMatchObject({ tasks: [], total: 0 })
  await expect(connectMcp(guarded.url, { headers: { Authorization: 'Bearer other' } })).rejects.toThrow(
    'this token is not known',
  )
  const asked = (headers: Record<string, string>) => post(LIST, { ...bearer, ...headers }, guarded.url)
  expect(await problemIn(await post(LIST, {}, guarded.url))).toMatchObject({ status: 401 })
  expect(await problemIn(await asked({ Origin: 'https://evil.example' }))).toMatchObject({
    status: 403,
    code: 'foreign_origin',
  })
  // fetch sets the Host itself; a browser whose DNS was rebound sends the foreign name.
  const call = request(`${guarded.url}/mcp`, {
    method: 'POST',
    headers: { ...HEADERS, ...bearer, Host: 'evil.example' },
  })
  call.end(JSON.stringify(LIST))
  const [answer] = z.tuple([z.instanceof(IncomingMessage)]).parse(await once(call, 'response'))
  expect([answer.statusCode, await json(answer)]).toMatchObject([403, { code: 'foreign_host' }])
})
