/** Waiting for a task over MCP: progress, cancelling, clients and APIs that go away. */

import { request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { startApi } from '../support/api.ts'
import { freePort } from '../support/free-port.ts'
import { connectMcp } from '../support/mcp-client.ts'
import { startNodeProcess } from '../support/node-process.ts'
import { eventually } from '../support/processes.ts'
import { newSession, runTask, step } from '../support/sse.ts'
import { makeWorkspace, startWorkerProcess } from '../support/worker.ts'

type Api = Awaited<ReturnType<typeof startApi>>
let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

/** How many API processes listen to this session's events. */
const listening = async (session: string): Promise<number> => {
  const [, count] = await api.redis.pubsub('NUMSUB', api.store.key('events', session))
  return Number(count)
}
const untilListening = (session: string, count: number) =>
  eventually(async () => (await listening(session)) === count)

test('a wait tells what happens and returns the outcome', async () => {
  const { value } = await connectMcp(api.url)
  const worker = await runTask(api.store, newSession())
  const told: { progress: number; message?: string | undefined }[] = []
  const waiting = value(
    'wait_for_task',
    { task_id: worker.task_id },
    { onprogress: (progress) => void told.push(progress) },
  )
  await untilListening(worker.session_id, 1)
  await worker.append(step(1))
  await worker.append({
    event_type: 'tool_call_start',
    iteration: 1,
    call_id: '1.1',
    tool_name: 'bash',
    arguments: { command: 'echo private' },
    effect: 'write',
  })
  await worker.finish()
  const { task } = z.object({ task: z.record(z.string(), z.unknown()) }).parse(await waiting)
  expect(task).toMatchObject({ task_id: worker.task_id, status: 'completed' })
  expect(task).not.toHaveProperty('task')
  expect(told.map(({ progress, message }) => [progress, message])).toEqual([
    [1, 'iteration 1 of at most 1000000'],
    [2, 'bash started'],
    [3, 'task complete'],
  ])
  await untilListening(worker.session_id, 0)
})

test('a wait whose time is up says to wait again', async () => {
  const { value } = await connectMcp(api.url)
  const { task_id } = await runTask(api.store, newSession())
  expect(await value('wait_for_task', { task_id, wait_s: 0.1 })).toMatchObject({
    ended: false,
    next: 'still running: call wait_for_task again',
    task: { status: 'running' },
  })
})

test('many clients and calls at once each get their own answer', async () => {
  const clients = await Promise.all(Array.from({ length: 4 }, () => connectMcp(api.url)))
  const works = await Promise.all(
    clients.flatMap(({ value }) =>
      Array.from({ length: 10 }, async () => {
        const worker = await runTask(api.store, newSession())
        return { worker, waiting: value('wait_for_task', { task_id: worker.task_id }) }
      }),
    ),
  )
  await Promise.all(works.map(({ worker }) => worker.finish()))
  for (const { worker, waiting } of works) {
    expect(await waiting).toMatchObject({
      task: { task_id: worker.task_id, status: 'completed' },
    })
  }
})

test('a cancelled wait ends at once, also when another API hears of it, and no other call does', async () => {
  await using other = await startApi({ prefix: api.prefix })
  const toOther = (url: string | URL, init?: RequestInit) => {
    const cancels = typeof init?.body === 'string' && init.body.includes('notifications/cancelled')
    return fetch(cancels ? `${other.url}/mcp` : url, init)
  }
  const [here, elsewhere] = await Promise.all([connectMcp(api.url), connectMcp(api.url, { fetch: toOther })])
  const worker = await runTask(api.store, newSession())
  const bystander = await runTask(api.store, newSession())
  for (const client of [here, elsewhere]) {
    const kept = here.value('wait_for_task', { task_id: bystander.task_id, wait_s: 0.5 })
    const giveUp = new AbortController()
    const waiting = client.call('wait_for_task', { task_id: worker.task_id }, { signal: giveUp.signal })
    await untilListening(worker.session_id, 1)
    giveUp.abort('no longer needed')
    await expect(waiting).rejects.toThrow('no longer needed')
    await untilListening(worker.session_id, 0)
    expect(await kept).toMatchObject({ ended: false })
  }
  // The task itself goes on.
  expect(await here.value('get_task', { task_id: worker.task_id })).toMatchObject({ status: 'running' })
})

test('a client that vanishes in mid-wait leaves nothing behind', async () => {
  const worker = await runTask(api.store, newSession())
  const call = request(`${api.url}/mcp`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' },
  })
  call.on('error', () => {})
  call.end(
    JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'wait_for_task', arguments: { task_id: worker.task_id }, _meta: { progressToken: 1 } },
    }),
  )
  await untilListening(worker.session_id, 1)
  call.destroy()
  await untilListening(worker.session_id, 0)
  await worker.append(step(1))
  await worker.finish()
  expect((await api.request('/health/live')).status).toBe(200)
})

test('a worker finishes what an MCP client submits; an API that leaves answers who waits, and is not delayed', async () => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const settings = { redisUrl: inject('redisUrl'), prefix: api.prefix, workspace: await makeWorkspace() }
  const [leaving] = await Promise.all([
    startNodeProcess('src/http/main.ts', {
      REDIS_URL: settings.redisUrl,
      ALEX_REDIS_PREFIX: settings.prefix,
      PORT: String(port),
    }),
    startWorkerProcess(settings),
  ])
  await leaving.untilLogged('[DI] API listening')
  const { value } = await connectMcp(url)
  const Created = z.object({ task_id: z.string() })
  const done = Created.parse(await value('submit_task', { task: 'bash: echo it-works' }))
  expect(await value('wait_for_task', { task_id: done.task_id })).toMatchObject({
    ended: true,
    task: { status: 'completed', result: { answer: expect.stringContaining('it-works') } },
  })

  const { task_id, session_id } = await runTask(api.store, newSession())
  const waiting = value('wait_for_task', { task_id, wait_s: 60 })
  await untilListening(session_id, 1)
  const gone = leaving.end('SIGTERM')
  expect(await waiting).toMatchObject({ ended: false, task: { status: 'running' } })
  const late = pause(4000, 'late', { ref: false })
  expect(await Promise.race([gone, late])).toBe(0)
})
