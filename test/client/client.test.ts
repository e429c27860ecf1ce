/** The client against the real API; a test's own hand does the worker's part. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AlexClient, AlexError, createClient } from '../../src/client/client.ts'
import { startApi } from '../support/api.ts'
import { documentedFetch } from '../support/documented.ts'
import { completed, newSession, queueTask, runTask } from '../support/sse.ts'
import { startTearingProxy } from './tearing-proxy.ts'

const TOKEN = 'open-sesame'
let api: Awaited<ReturnType<typeof startApi>>
let client: AlexClient
beforeAll(async () => {
  api = await startApi({ tokens: [TOKEN] })
  client = createClient({ baseUrl: `${api.url}/`, token: TOKEN, fetch: documentedFetch })
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

const failureOf = async (promise: Promise<unknown>): Promise<AlexError> => {
  const error: unknown = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  )
  if (error instanceof AlexError) return error
  throw error
}

test('a task is submitted, shown, listed, counted, cancelled and waited for', async () => {
  const session_id = newSession()
  const made = await client.submit({ task: 'look around', session_id, metadata: { for: 'a test' } })
  expect(made).toMatchObject({ session_id, status: 'pending' })
  expect(await client.task(made.task_id)).toMatchObject({ task: 'look around', metadata: { for: 'a test' } })
  expect((await client.tasks({ session_id, status: ['pending'] })).items).toMatchObject([
    { task_id: made.task_id },
  ])
  expect((await client.stats()).pending).toBe(1)
  const end = client.wait(made.task_id)
  expect(await client.cancel(made.task_id, { reason: 'enough' })).toMatchObject({ status: 'cancelled' })
  expect(await end).toMatchObject({ status: 'cancelled', message: 'enough' })
})

test('the same idempotency key submits once', async () => {
  const task = { task: 'once', session_id: newSession() }
  const first = await client.submit(task, { idempotencyKey: task.session_id })
  expect(await client.submit(task, { idempotencyKey: task.session_id })).toEqual(first)
  const other = await client.submit(task)
  expect(other.task_id).not.toBe(first.task_id)
  const { cancelled } = await client.cancelMany({ session_id: task.session_id })
  expect(cancelled.toSorted()).toEqual([first.task_id, other.task_id].toSorted())
})

test('a submission whose answer was lost is sent again and makes one task', async () => {
  await using proxy = await startTearingProxy(api.url)
  proxy.cutAfter(40, 0)
  const session_id = newSession()
  const through = createClient({ baseUrl: proxy.url, token: TOKEN })
  const { task_id } = await through.submit({ task: 'look around', session_id })
  expect(proxy.cutsLeft()).toBe(0)
  expect((await client.tasks({ session_id })).items.map((task) => task.task_id)).toEqual([task_id])
  await client.cancel(task_id)
})

test('a page gives the pages after it when it is iterated', async () => {
  const session_id = newSession()
  const made = new Set<string>()
  for (let i = 0; i < 5; i++) made.add((await client.submit({ task: `task ${i}`, session_id })).task_id)
  const first = await client.tasks({ session_id, limit: 2 })
  expect(first).toMatchObject({ total: 5, next: expect.any(String) })
  const sizes: number[] = []
  for await (const page of first) {
    sizes.push(page.items.length)
    for (const { task_id } of page.items) made.delete(task_id)
  }
  expect(sizes).toEqual([2, 2, 1])
  expect(made.size).toBe(0)
  const { cancelled } = await client.cancelMany({ session_id })
  expect(cancelled).toHaveLength(5)
})

test('sessions are listed, read, forked, priced and deleted', async () => {
  const session_id = newSession()
  const worker = await runTask(api.store, session_id, 'a needle in the haystack')
  await worker.append({
    event_type: 'think_complete',
    iteration: 1,
    content: 'found it',
    tool_calls: [],
    model: 'gpt-4o-mini',
    usage: { input_tokens: 1, output_tokens: 1, cached_tokens: 0 },
    duration: 1,
  })
  await worker.finish(completed('found it'))
  expect((await client.sessions({ q: 'needle' })).items).toMatchObject([{ session_id }])
  const session = await client.session(session_id, { limit: 1 })
  expect(session.messages).toMatchObject([{ role: 'user', content: 'a needle in the haystack' }])
  if (session.next === undefined) throw new Error('there is a second page')
  const rest = await client.session(session_id, { cursor: session.next })
  expect(rest.messages).toMatchObject([{ role: 'assistant', content: 'found it' }])
  const fork = await client.fork(session_id)
  expect(fork).toMatchObject({ forked_from: session_id })
  expect(await client.sessionCost(session_id)).toMatchObject({ session_id, model_calls: 0 })
  expect(await client.costs({ group_by: 'session', limit: 10 })).toMatchObject({ group_by: 'session' })
  expect(await client.deleteSession(session_id)).toBe('purged')
  expect(await failureOf(client.session(session_id))).toMatchObject({ code: 'session_not_found' })
})

test('fleet, presets and an unhealthy service are answers', async () => {
  expect(await client.workers()).toEqual([])
  expect((await client.presets()).tool_presets.map(({ name }) => name)).toContain('read-only')
  expect(await client.health()).toMatchObject({ status: 'unhealthy', version: 'test' })
})

test('a refusal is an AlexError with status, code, detail, fields and request id', async () => {
  const error = await failureOf(client.submit({ task: ' ', session_id: 'x y' }))
  expect(error).toMatchObject({ status: 400, code: 'invalid_request', request_id: expect.any(String) })
  expect(error.errors.map(({ path }) => path).toSorted()).toEqual(['session_id', 'task'])
  expect(error.message).toContain('task: must not be blank')
  expect(await failureOf(createClient({ baseUrl: api.url }).workers())).toMatchObject({ status: 401 })
  expect(await failureOf(client.wait('task-none'))).toMatchObject({ status: 404, code: 'task_not_found' })
})

test('when nobody answers the error says so', async () => {
  const nobody = createClient({ baseUrl: 'http://127.0.0.1:1', retries: 1 })
  expect(await failureOf(nobody.stats())).toMatchObject({ status: 0, code: 'unreachable' })
  const events = nobody.events('task-1', { patienceMs: 0 })
  expect(await failureOf(events.next())).toMatchObject({ code: 'unreachable' })
})

test('a signal ends whatever waits, with its reason', async () => {
  const worker = await queueTask(api.store, newSession())
  const stop = new AbortController()
  const waiting = [
    client.wait(worker.task_id, { signal: stop.signal }),
    client.task(worker.task_id, { waitS: 60, signal: stop.signal }),
    (async () => {
      for await (const _ of client.events({ session: worker.session_id }, { signal: stop.signal }))
        stop.abort(new Error('no longer wanted'))
    })(),
  ]
  for (const outcome of await Promise.allSettled(waiting))
    expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'no longer wanted' } })
  await client.cancel(worker.task_id)
})
