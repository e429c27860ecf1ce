import { expect, test } from 'vitest'
import { z } from 'zod'
import type { Session, SessionForked } from '../../src/schemas/session.ts'
import { startApi } from '../support/api.ts'
import { makeFolder, openKeeper } from '../support/keep.ts'
import { calls, startService } from '../support/service.ts'
import { logIds, newSession, queueTask, runTask, step, watch } from '../support/sse.ts'

const Sent = z.object({
  messages: z.array(z.looseObject({ role: z.string(), content: z.string().nullish() })),
})

test('a fork goes on from the transcript of its source, and neither hears of the other again', async () => {
  const service = await startService()
  const { model, post, json, submit, request } = service
  model.on({ turnIndex: 0, userMessage: /number/ }, calls(['bash', { command: 'echo 41' }]))
  model.on({ turnIndex: 1, userMessage: /number/ }, { content: 'The number is 41.' })
  model.on({ userMessage: /fork/ }, { content: 'In the fork.' })
  await service.startWorker()
  const { task_id, session_id } = await submit({ task: 'tell me a number', session_id: 'source' })
  await service.ended(task_id)

  const before = await logIds(service.store, session_id)
  const answer = await request(`/api/sessions/${session_id}/fork`, { method: 'POST' })
  expect(answer.status).toBe(201)
  const fork = (await answer.json()) as SessionForked
  expect(fork).toEqual({
    session_id: expect.stringMatching(/^session-/),
    forked_from: 'source',
    title: 'tell me a number',
  })
  expect(answer.headers.get('Location')).toBe(`/api/sessions/${fork.session_id}`)
  const [copied, source] = await Promise.all(
    [fork.session_id, session_id].map((id) => json<Session>(`/api/sessions/${id}`)),
  )
  expect(copied).toMatchObject({ task_count: 0, title: source?.title, messages: source?.messages })
  using stream = watch(`${service.url}/api/sse?session_id=${fork.session_id}`)
  await stream.untilType('task_complete')

  const next = await submit({ task: 'in the fork', session_id: fork.session_id })
  await service.ended(next.task_id)
  const { messages } = Sent.parse(model.getLastRequest()?.body)
  expect(messages.slice(1)).toMatchObject([
    { role: 'user', content: 'tell me a number' },
    { role: 'assistant' },
    { role: 'tool', content: expect.stringContaining('41') },
    { role: 'assistant', content: 'The number is 41.' },
    { role: 'user', content: 'in the fork' },
  ])
  await stream.untilType('task_complete', 2)
  expect(await logIds(service.store, session_id)).toEqual(before)
  expect(await post(`/api/sessions/${fork.session_id}/fork`)).toMatchObject({ forked_from: fork.session_id })
})

test('what has not ended is no part of a fork, however its entries lie', async () => {
  await using api = await startApi()
  const session = newSession()
  const first = await runTask(api.store, session, 'first')
  const second = await queueTask(api.store, session, 'second')
  for (let i = 0; i < 25; i++) await first.append(...Array.from({ length: 100 }, (_, n) => step(n)))
  await first.finish()
  await second.begin()
  const answer = await api.request(`/api/sessions/${session}/fork`, { method: 'POST' })
  const fork = (await answer.json()) as SessionForked
  const all = await api.store.readLog(session, '0-0', 10_000)
  const copy = await api.store.readLog(fork.session_id, '0-0', 10_000)
  const bare = (events: typeof all) =>
    events.map(({ id, session_id, ...event }) => ({ ...event, moved: id === '' || session_id === '' }))
  expect(bare(copy)).toEqual(bare(all.filter(({ task_id }) => task_id === first.task_id)))
  expect(await api.store.sessionFields(fork.session_id)).toMatchObject({
    last_id: copy.at(-1)?.id,
    forked_to: copy.at(-1)?.id,
  })
  expect(await api.redis.keys(`${api.prefix.replaceAll(/[{}]/g, '?')}:fork:*`)).toEqual([])
})

test('a fork is made once for an Idempotency-Key', async () => {
  await using api = await startApi()
  const [one, other] = [newSession(), newSession()]
  for (const session of [one, other]) await (await runTask(api.store, session)).finish()
  const fork = (session: string) =>
    api.request(`/api/sessions/${session}/fork`, { method: 'POST', headers: { 'Idempotency-Key': 'k' } })
  const first = await fork(one)
  const again = await fork(one)
  expect([first.status, again.status, again.headers.get('Idempotent-Replayed')]).toEqual([201, 200, 'true'])
  expect(await again.json()).toEqual(await first.json())
  expect((await fork(other)).status).toBe(409)
  expect(await api.redis.zcard(api.store.key('sessions'))).toBe(3)
})

test('a fork of nothing, or with a body that says something, is refused', async () => {
  await using api = await startApi()
  const post = (id: string, body?: string) =>
    api.request(`/api/sessions/${id}/fork`, {
      method: 'POST',
      ...(body === undefined ? {} : { body, headers: { 'Content-Type': 'application/json' } }),
    })
  const unknown = await post('nobody')
  expect([unknown.status, await unknown.json()]).toMatchObject([404, { code: 'session_not_found' }])
  const session = newSession()
  await (await runTask(api.store, session)).finish()
  const said = await post(session, '{"title":"mine"}')
  expect([said.status, await said.json()]).toMatchObject([400, { errors: [{ path: 'title' }] }])
  expect((await post('no such id!')).status).toBe(400)
  expect((await post(session, '{}')).status).toBe(201)
})

test('what a fork took over is trimmed as one block, mirrored and restored with the rest', async () => {
  const sessionDir = await makeFolder()
  const keeper = await openKeeper({ sessionDir, retentionMs: 60_000 })
  const { store, redis, archive } = keeper
  const source = newSession()
  for (const task of ['one', 'two']) await (await runTask(store, source, task)).finish()
  await store.keeping.fork(source, 'fork')
  const next = await runTask(store, 'fork', 'three')
  await next.finish()
  const before = await store.readLog('fork', '0-0', 100)
  expect(before).toHaveLength(9)
  await store.keeping.announce('p', await keeper.folder.marker())
  await redis.hset(store.key('session', 'fork'), 'updated_at', 1)
  await keeper.lookAt('fork')
  expect(await store.sessionFields('fork')).toMatchObject({ evicted: expect.any(String) })
  await redis.del(store.key('session', 'fork'))
  expect(await archive.ready('fork')).toBe(true)
  expect(await store.readLog('fork', '0-0', 100)).toEqual(before)
  expect(await store.sessionFields('fork')).toMatchObject({ forked_from: source, forked_to: before[5]?.id })

  await store.keeping.trim('fork', { entries: 9, retentionMs: 1e9 })
  expect(await store.readLog('fork', '0-0', 100)).toEqual(before)
  await store.keeping.trim('fork', { entries: 8, retentionMs: 1e9 })
  expect(await store.readLog('fork', '0-0', 100)).toEqual(before.slice(6))
  expect(await store.sessionFields('fork')).toMatchObject({ trimmed_to: before[5]?.id })
})
