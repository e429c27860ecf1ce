/** Whatever is wrong with a request: it is told in one form, and nothing is left behind. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startApi } from '../support/api.ts'
import { problemIn } from './support.ts'

type Api = Awaited<ReturnType<typeof startApi>>
let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

const JSON_TYPE = { 'Content-Type': 'application/json' }
const post = (path: string, body: unknown, headers: Record<string, string> = JSON_TYPE) =>
  api.request(path, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) })
const everything = async () => ({
  tasks: await (await api.request('/api/tasks')).json(),
  sessions: await (await api.request('/api/sessions')).json(),
})

let before: Awaited<ReturnType<typeof everything>>
beforeEach(async () => {
  before = await everything()
})
const expectNothingLeft = async () => expect(await everything()).toEqual(before)

describe('creating a task with', () => {
  test.each([
    ['no task', {}, 'invalid_request', 'task'],
    ['a blank task', { task: ' \n ' }, 'invalid_request', 'task'],
    ['a task that is no text', { task: 1 }, 'invalid_request', 'task'],
    ['too long a task', { task: 'x'.repeat(200_001) }, 'invalid_request', 'task'],
    ['an unknown field', { task: 'x', taks: 'y' }, 'invalid_request', 'taks'],
    ['null for a field', { task: 'x', model: null }, 'invalid_request', 'model'],
    ['a field of a later release', { task: 'x', webhook_url: 'http://x' }, 'invalid_request', 'webhook_url'],
    ['a bad session id', { task: 'x', session_id: 'a b' }, 'invalid_request', 'session_id'],
    ['an empty session id', { task: 'x', session_id: '' }, 'invalid_request', 'session_id'],
    ['a path as session id', { task: 'x', session_id: '../etc' }, 'invalid_request', 'session_id'],
    ['too long a session id', { task: 'x', session_id: 'x'.repeat(129) }, 'invalid_request', 'session_id'],
    ['an unknown agent preset', { task: 'x', agent_preset: 'nobody' }, 'unknown_preset', 'agent_preset'],
    ['an unknown tool preset', { task: 'x', tool_preset: 'nothing' }, 'unknown_preset', 'tool_preset'],
    ['a priority out of range', { task: 'x', priority: 10 }, 'invalid_request', 'priority'],
    ['half a priority', { task: 'x', priority: 1.5 }, 'invalid_request', 'priority'],
    ['no iterations', { task: 'x', max_iterations: 0 }, 'invalid_request', 'max_iterations'],
    ['no time', { task: 'x', timeout_s: 0 }, 'invalid_request', 'timeout_s'],
    ['a date that is none', { task: 'x', run_at: 'tomorrow' }, 'invalid_request', 'run_at'],
    ['metadata that is no text', { task: 'x', metadata: { a: 1 } }, 'invalid_request', 'metadata.a'],
    [
      'too much metadata',
      { task: 'x', metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v'])) },
      'invalid_request',
      'metadata',
    ],
  ])('%s is 400 and names the field', async (_, body, code, field) => {
    const problem = await problemIn(await post('/api/tasks', body))
    expect(problem).toMatchObject({ status: 400, code })
    expect(problem.errors?.map(({ path }) => path)).toEqual([field])
    await expectNothingLeft()
  })

  test('an unknown preset tells the known ones', async () => {
    const problem = await problemIn(await post('/api/tasks', { task: 'x', tool_preset: 'nothing' }))
    expect(problem).toMatchObject({ status: 400, code: 'unknown_preset' })
    expect(problem.detail).toContain('read-only')
    await expectNothingLeft()
  })

  test.each([
    ['broken JSON', '{"task": ', 400, 'invalid_json', JSON_TYPE],
    ['an empty body', '', 400, 'invalid_json', JSON_TYPE],
    ['a list', '[]', 400, 'invalid_request', JSON_TYPE],
    ['2 MB', JSON.stringify({ task: 'x'.repeat(2 * 1024 * 1024) }), 413, 'body_too_large', JSON_TYPE],
    ['text', '{"task":"x"}', 415, 'unsupported_media_type', { 'Content-Type': 'text/plain' }],
    [
      'a foreign origin',
      '{"task":"x"}',
      403,
      'foreign_origin',
      { ...JSON_TYPE, Origin: 'http://evil.example' },
    ],
    [
      'no Idempotency-Key in it',
      '{"task":"x"}',
      400,
      'invalid_request',
      { ...JSON_TYPE, 'Idempotency-Key': '' },
    ],
    [
      'too long an Idempotency-Key',
      '{"task":"x"}',
      400,
      'invalid_request',
      { ...JSON_TYPE, 'Idempotency-Key': 'x'.repeat(256) },
    ],
    [
      'a foreign form',
      '{"task":"x"}',
      415,
      'unsupported_media_type',
      { 'Content-Type': 'application/x-www-form-urlencoded', Origin: 'http://evil.example' },
    ],
  ])('%s is refused', async (_, body, status, code, headers) => {
    expect(await problemIn(await post('/api/tasks', body, headers))).toMatchObject({ status, code })
    await expectNothingLeft()
  })
})

describe('asking for', () => {
  test.each([
    ['/api/nothing', 404, 'route_not_found'],
    ['/api/tasks/task-unknown', 404, 'task_not_found'],
    ['/api/tasks/task-unknown?wait_s=5', 404, 'task_not_found'],
    ['/api/tasks/task-unknown/events', 404, 'task_not_found'],
    ['/api/tasks/%7Balex%7D%00', 404, 'task_not_found'],
    ['/api/sessions/unknown', 404, 'session_not_found'],
    ['/api/sessions/a%20b', 400, 'invalid_request'],
    ['/api/tasks?limit=0', 400, 'invalid_request'],
    ['/api/tasks?limit=1001', 400, 'invalid_request'],
    ['/api/tasks?limit=many', 400, 'invalid_request'],
    ['/api/tasks?cursor=none-of-ours', 400, 'invalid_cursor'],
    ['/api/sessions?cursor=none-of-ours', 400, 'invalid_cursor'],
    ['/api/tasks?status=sleeping', 400, 'invalid_request'],
    ['/api/tasks?session_id=a%20b', 400, 'invalid_request'],
    ['/api/tasks?page=2', 400, 'invalid_request'],
    ['/api/tasks/task-unknown?wait_s=61', 400, 'invalid_request'],
    ['/api/tasks/task-unknown?wait_s=-1', 400, 'invalid_request'],
    ['/api/tasks/task-unknown?wait_s=soon', 400, 'invalid_request'],
    ['/api/sse', 400, 'invalid_request'],
    ['/api/sse?session_id=a%20b', 400, 'invalid_request'],
    ['/api/sse?session_id=s&last_event_id=3', 400, 'invalid_request'],
    ['/api/sse?session_id=s&last_event_id=99999999999999999999-0', 400, 'invalid_request'],
    ['/api/sse?session_id=s&replay=some', 400, 'invalid_request'],
  ])('%s is %d %s', async (path, status, code) => {
    expect(await problemIn(await api.request(path))).toMatchObject({ status, code })
    await expectNothingLeft()
  })

  test('a stream after an event id that is none is 400', async () => {
    const headers = { 'Last-Event-ID': 'abc' }
    expect(await problemIn(await api.request('/api/sse?session_id=s', { headers }))).toMatchObject({
      status: 400,
      code: 'invalid_request',
    })
  })
})

describe('changing what is not there or not to be changed', () => {
  test.each([
    ['/api/tasks/task-unknown/cancel', 'POST', undefined, 404, 'task_not_found'],
    ['/api/tasks/task-unknown/cancel', 'POST', '{"why":"x"}', 400, 'invalid_request'],
    ['/api/tasks/task-unknown/cancel', 'POST', `{"reason":"${'x'.repeat(1001)}"}`, 400, 'invalid_request'],
    ['/api/tasks/cancel', 'POST', '{}', 400, 'invalid_request'],
    ['/api/tasks/cancel', 'POST', '{"status":[]}', 400, 'invalid_request'],
    ['/api/tasks/cancel', 'POST', '{"status":["completed"]}', 400, 'invalid_request'],
    ['/api/tasks/cancel', 'POST', '{"session_id":"s","task_ids":["task-1"]}', 400, 'invalid_request'],
    ['/api/sessions/unknown', 'DELETE', undefined, 404, 'session_not_found'],
    ['/api/tasks', 'DELETE', undefined, 405, 'method_not_allowed'],
    ['/api/tasks/task-1', 'PATCH', '{}', 405, 'method_not_allowed'],
    ['/health', 'POST', '{}', 405, 'method_not_allowed'],
  ])('%s %s %s is %d %s', async (path, method, body, status, code) => {
    const init = { method, ...(body !== undefined && { body, headers: JSON_TYPE }) }
    expect(await problemIn(await api.request(path, init))).toMatchObject({ status, code })
    await expectNothingLeft()
  })
})
