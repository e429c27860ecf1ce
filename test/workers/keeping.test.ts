/** Sessions that come and go between Redis and their files, with real workers and the API. */
import { execFileSync } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import type { Session } from '../../src/schemas/session.ts'
import { LEASE_MS } from '../../src/tasks/store.ts'
import { makeFolder } from '../support/keep.ts'
import { eventually } from '../support/processes.ts'
import { calls, startService } from '../support/service.ts'
import { watch } from '../support/sse.ts'

/** A day's retention shrunk to about two seconds. */
const RETENTION = { ALEX_RETENTION_DAYS: '0.00002' }
/** Longer than a lease lasts by itself. */
const SLEEP_S = LEASE_MS / 1000 + 1
const FOREVER = { ALEX_RETENTION_DAYS: '1000' }
const Sent = z.object({ messages: z.array(z.object({ role: z.string(), content: z.string().nullish() })) })

/** One session with one ended task that has been evicted; the worker that did it has left. */
const evictedSession = async () => {
  const sessionDir = join(await makeFolder(), 'sessions')
  const costDir = await makeFolder()
  const service = await startService({ sessionDir })
  service.model.on({ userMessage: /number/ }, { content: 'The number is 41.' })
  service.model.on({ userMessage: /again/ }, { content: 'As I said.' })
  const startWorker = (env: Record<string, string>) =>
    service.startWorker({ ALEX_SESSION_DIR: sessionDir, ALEX_COST_DIR: costDir, ...env })
  const worker = await startWorker(RETENTION)
  const { task_id, session_id } = await service.submit({ task: 'tell me a number', session_id: 'talk' })
  await service.ended(task_id)
  const ids = (await service.store.readLog(session_id, '0-0', 100)).map(({ id }) => id)
  await eventually(async () => (await service.store.sessionFields(session_id))?.['evicted'] !== undefined)
  await worker.end('SIGTERM')
  return {
    ...service,
    file: join(sessionDir, 'talk.json'),
    sessionDir,
    session_id,
    task_id,
    ids,
    startWorker,
  }
}

test('a session that rested is listed, read, followed and continued as if it had stayed', async () => {
  const service = await evictedSession()
  const { json, session_id, task_id, ids, url } = service
  expect(await json('/api/sessions')).toMatchObject([
    { session_id, title: 'tell me a number', task_count: 1 },
  ])
  expect(await json('/api/tasks/stats')).toMatchObject({ completed: 0 })
  expect(await json(`/api/tasks/${task_id}`)).toMatchObject({ code: 'task_not_found' })

  using resumed = watch(`${url}/api/sse?session_id=${session_id}`, { lastEventId: ids[1] as string })
  await resumed.untilId(ids.at(-1) as string)
  await service.startWorker(FOREVER)
  const next = await service.submit({ task: 'say it again', session_id })
  expect(await service.ended(next.task_id)).toMatchObject({ result: { answer: 'As I said.' } })
  const { messages } = Sent.parse(service.model.getLastRequest()?.body)
  expect(messages.slice(1)).toMatchObject([
    { role: 'user', content: 'tell me a number' },
    { role: 'assistant', content: 'The number is 41.' },
    { role: 'user', content: 'say it again' },
  ])
  await resumed.untilType('task_complete', 2)
  expect(resumed.ids().slice(0, ids.length - 2)).toEqual(ids.slice(2))
  expect(resumed.seen.some(({ type }) => type === 'log_truncated')).toBe(false)
  const session = await json<Session>(`/api/sessions/${session_id}`)
  expect(session).toMatchObject({ task_count: 2 })
  expect(session.messages).toHaveLength(4)
  expect(await json(`/api/tasks/${task_id}`)).toMatchObject({ status: 'completed' })
})

test('a file that cannot be read is told with a code of its own, and changes nothing', async () => {
  const { request, file, session_id, store, submit } = await evictedSession()
  const whole = await readFile(file, 'utf8')
  await writeFile(file, whole.slice(0, 300))
  const ways: [string, RequestInit?][] = [
    [`/api/sessions/${session_id}`],
    [`/api/sse?session_id=${session_id}`],
    [
      '/api/tasks',
      {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ task: 'go on', session_id }),
      },
    ],
  ]
  for (const [path, init] of ways) {
    const answer = await request(path, init)
    expect(answer.status).toBe(503)
    expect(answer.headers.get('Retry-After')).toBe('60')
    expect(await answer.json()).toMatchObject({ code: 'session_not_restorable' })
  }
  expect(await store.sessionFields(session_id)).toMatchObject({ task_count: '1' })
  expect(await store.stats()).toMatchObject({ pending: 0 })
  await writeFile(file, whole)
  expect(await submit({ task: 'go on', session_id })).toMatchObject({ status: 'pending' })
})

test('a deleted session takes its file with it and is not found again, evicted or not', async () => {
  const service = await evictedSession()
  const { request, file, session_id, store, archive, folder } = service
  expect((await request(`/api/sessions/${session_id}`, { method: 'DELETE' })).status).toBe(204)
  expect(await folder.exists(file)).toBe(false)
  await archive.findAll(new AbortController().signal)
  expect(await store.sessionFields(session_id)).toBeNull()
  expect((await request(`/api/sessions/${session_id}`)).status).toBe(404)
})

test('files put into an empty instance are its sessions, at once when asked for by id', async () => {
  const { sessionDir, session_id, task_id } = await evictedSession()
  const empty = await startService({ sessionDir })
  const session = await empty.json<Session>(`/api/sessions/${session_id}`)
  expect(session.messages.map(({ content }) => content)).toEqual(['tell me a number', 'The number is 41.'])
  expect(await empty.json(`/api/tasks/${task_id}`)).toMatchObject({ status: 'completed' })

  const another = await startService({ sessionDir })
  expect(await another.json('/api/sessions')).toEqual([])
  await another.startWorker({ ALEX_SESSION_DIR: sessionDir, ...FOREVER })
  await eventually(async () => (await another.json<Session[]>('/api/sessions')).length === 1)
  const posted = await startService({ sessionDir })
  await posted.submit({ task: 'go on', session_id })
  expect(await posted.json(`/api/sessions/${session_id}`)).toMatchObject({ task_count: 2 })
  const deleted = await startService({ sessionDir })
  expect((await deleted.request(`/api/sessions/${session_id}`, { method: 'DELETE' })).status).toBe(204)
  expect((await deleted.request(`/api/sessions/${session_id}`)).status).toBe(404)
})

test('a file that somebody removed deletes its session when it is asked for', async () => {
  const { request, file, session_id, folder, submit } = await evictedSession()
  await folder.remove(session_id)
  expect((await request(`/api/sessions/${session_id}`)).status).toBe(404)
  await expect(readFile(file)).rejects.toThrow('ENOENT')
  expect(await submit({ task: 'anew', session_id })).toMatchObject({ session_id })
})

test('a worker whose disk hangs goes on beating and working', async () => {
  const service = await startService()
  const [sessionDir, costDir] = [await makeFolder(), await makeFolder()]
  service.model.on({ turnIndex: 0, userMessage: /sleep/ }, calls(['bash', { command: `sleep ${SLEEP_S}` }]))
  service.model.on({ turnIndex: 1, userMessage: /sleep/ }, { content: 'Slept.' })
  service.model.on({ userMessage: /one/ }, { content: 'Done.' })
  // Whoever opens it waits for a writer that never comes.
  execFileSync('mkfifo', [join(costDir, 'stuck.json')])
  await service.startWorker({ ALEX_SESSION_DIR: sessionDir, ALEX_COST_DIR: costDir })
  const stuck = await service.submit({ task: 'one', session_id: 'stuck' })
  await service.ended(stuck.task_id)
  await eventually(async () => (await readFile(join(sessionDir, 'stuck.json')).catch(() => '')).length > 0)
  const slow = await service.submit({ task: 'sleep', session_id: 'other' })
  expect(await service.ended(slow.task_id)).toMatchObject({ status: 'completed', attempts: 1 })
  expect(await readdir(sessionDir)).not.toContain('other.json')
})
