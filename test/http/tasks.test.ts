/** The task and session routes over a real service; nothing works on the tasks here. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { TaskCreated } from '../../src/schemas/task.ts'
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

const post = (path: string, body: unknown = {}, headers: Record<string, string> = {}) =>
  api.request(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
const created = async (body: object = {}) => {
  const answer = await post('/api/tasks', { task: 'look around', ...body })
  expect(answer.status).toBe(201)
  return TaskCreated.parse(await answer.json())
}
const get = async (path: string): Promise<unknown> => (await api.request(path)).json()
const Tasks = z.array(z.object({ task_id: z.string() }))
const Bulk = z.object({ cancelled: z.array(z.string()), skipped: z.array(z.unknown()) })
const named = (name: string) => expect.arrayContaining([expect.objectContaining({ name })])
const session = () => `s-${randomUUID()}`

test('a new task is 201 with its Location, and can be read there', async () => {
  const session_id = session()
  const answer = await post('/api/tasks', { task: 'look around', session_id })
  const { task_id, ...rest } = TaskCreated.parse(await answer.json())
  expect([answer.status, rest]).toEqual([201, { session_id, status: 'pending' }])
  expect(task_id).toMatch(/^task-/)
  expect(answer.headers.get('Location')).toBe(`/api/tasks/${task_id}`)
  expect(await get(`/api/tasks/${task_id}`)).toMatchObject({ task_id, session_id, task: 'look around' })
})

test("the guide's example without a Content-Type of its own is taken", async () => {
  const answer = await api.request('/api/tasks', {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: '{"tool_preset": "read-only", "task": "Review this PR"}',
  })
  expect([answer.status, await answer.json()]).toMatchObject([
    201,
    { session_id: expect.stringMatching(/^session-/) },
  ])
})

test('a repeated Idempotency-Key gives the first answer again, for another body 409', async () => {
  const key = { 'Idempotency-Key': randomUUID() }
  const session_id = session()
  const first = await post('/api/tasks', { task: 'once', session_id }, key)
  const again = await post('/api/tasks', { session_id, task: 'once' }, key)
  expect([first.status, first.headers.get('Idempotent-Replayed')]).toEqual([201, null])
  expect([again.status, again.headers.get('Idempotent-Replayed')]).toEqual([200, 'true'])
  expect(again.headers.get('Location')).toBe(first.headers.get('Location'))
  expect(await again.json()).toEqual(await first.json())
  expect(await problemIn(await post('/api/tasks', { task: 'other', session_id }, key))).toMatchObject({
    status: 409,
    code: 'idempotency_conflict',
  })
  expect(await get(`/api/tasks?session_id=${session_id}`)).toHaveLength(1)
})

test('a long poll of a task that does not end answers when its time is up', async () => {
  const { task_id } = await created()
  const start = performance.now()
  expect(await get(`/api/tasks/${task_id}?wait_s=0.3`)).toMatchObject({ task_id })
  expect(performance.now() - start).toBeGreaterThan(250)
})

test('a long poll answers as soon as the task ends', async () => {
  const { task_id } = await created()
  const waiting = get(`/api/tasks/${task_id}?wait_s=15`)
  await post(`/api/tasks/${task_id}/cancel`)
  expect(await waiting).toMatchObject({ status: 'cancelled' })
})

test('pages follow the Link to the end and count what there is', async () => {
  const session_id = session()
  const made: string[] = []
  for (let i = 0; i < 5; i++) made.push((await created({ session_id })).task_id)
  const seen: string[] = []
  let path: string | undefined = `/api/tasks?limit=2&session_id=${session_id}&status=pending&status=running`
  while (path !== undefined) {
    const answer: Response = await api.request(path)
    expect(answer.headers.get('X-Total-Count')).toBe('5')
    seen.push(...Tasks.parse(await answer.json()).map(({ task_id }) => task_id))
    const next = /^<(.*)>; rel="next"$/.exec(answer.headers.get('Link') ?? '')?.[1]
    path = next === undefined ? undefined : new URL(next).pathname + new URL(next).search
  }
  expect(seen.toSorted()).toEqual(made.toSorted())
})

test('cancel without a body, as the guide has it, ends a pending task; again is the same', async () => {
  const { task_id } = await created()
  for (let i = 0; i < 2; i++) {
    const answer = await api.request(`/api/tasks/${task_id}/cancel`, { method: 'POST' })
    expect([answer.status, await answer.json()]).toEqual([
      200,
      { message: 'Task cancelled successfully', task_id, status: 'cancelled' },
    ])
  }
  expect(await get(`/api/tasks/${task_id}`)).toMatchObject({ message: 'task cancelled by user' })
})

test('a reason is shown', async () => {
  const { task_id } = await created()
  await post(`/api/tasks/${task_id}/cancel`, { reason: 'changed my mind' })
  expect(await get(`/api/tasks/${task_id}`)).toMatchObject({ message: 'changed my mind' })
})

test('bulk cancel tells what it cancelled and what it could not', async () => {
  const session_id = session()
  const first = await created({ session_id })
  const second = await created({ session_id })
  const all = await post('/api/tasks/cancel', { session_id })
  const { cancelled, skipped } = Bulk.parse(await all.json())
  expect(cancelled.toSorted()).toEqual([first.task_id, second.task_id].toSorted())
  expect(skipped).toEqual([])
  const unknown = await post('/api/tasks/cancel', { task_ids: ['task-unknown'] })
  expect(await unknown.json()).toMatchObject({ cancelled: [], skipped: [{ task_id: 'task-unknown' }] })
})

test('stats count every status', async () => {
  await created()
  const stats = z.record(z.string(), z.number()).parse(await get('/api/tasks/stats'))
  expect(Object.keys(stats).toSorted()).toEqual(
    ['cancelled', 'completed', 'failed', 'pending', 'running', 'waiting'].toSorted(),
  )
  expect(stats.pending).toBeGreaterThan(0)
})

test('a session is listed, read, deleted, and gone', async () => {
  const { session_id } = await created({ session_id: session() })
  expect(await get('/api/sessions')).toContainEqual(expect.objectContaining({ session_id }))
  expect(await get(`/api/sessions/${session_id}`)).toMatchObject({ session_id, messages: expect.any(Array) })
  const deleted = await api.request(`/api/sessions/${session_id}`, { method: 'DELETE' })
  expect([202, 204]).toContain(deleted.status)
  expect(await problemIn(await api.request(`/api/sessions/${session_id}`))).toMatchObject({
    status: 404,
    code: 'session_not_found',
  })
})

test('HEAD of a stream leaves no stream open', async () => {
  const answer = await api.request(`/api/sse?session_id=${session()}`, { method: 'HEAD' })
  expect([answer.status, answer.headers.get('Content-Type')]).toEqual([200, 'text/event-stream'])
})

test('presets and workers are told', async () => {
  expect(await get('/api/presets')).toMatchObject({
    agent_presets: named('default'),
    tool_presets: named('read-only'),
  })
  expect(await get('/api/workers')).toBeInstanceOf(Array)
})
