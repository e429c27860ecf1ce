/** Event streams while Redis is killed, restarted or silent; connected to it as the API process is. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, inject, test, vi } from 'vitest'
import { createBaseApp } from '../../src/http/base-app.ts'
import { eventRoutes } from '../../src/http/event-routes.ts'
import { createEventStream } from '../../src/http/event-stream.ts'
import { createHttpServer } from '../../src/http/http-server.ts'
import type { Log } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createRedactor } from '../../src/redact.ts'
import { connectRedis } from '../../src/redis.ts'
import { createArchive } from '../../src/tasks/archive.ts'
import { createFeed } from '../../src/tasks/feed.ts'
import { createTicketQueue } from '../../src/tasks/queue.ts'
import { openSessionFolder } from '../../src/tasks/session-folder.ts'
import { createStore, LEASE_MS } from '../../src/tasks/store.ts'
import { createTaskService } from '../../src/tasks/task-service.ts'
import { createView } from '../../src/tasks/view.ts'
import { startProxy } from '../support/proxy.ts'
import { openStore } from '../support/redis.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { large, logIds, newSession, queueTask, readRaw, runTask, step, watch } from '../support/sse.ts'

/** The event routes with the connections `src/http/main.ts` makes: commands fail at once while Redis is away. */
const serveEvents = async (redisUrl: string, prefix: string) => {
  const warnings: unknown[] = []
  const log: Log = {
    debug: () => {},
    info: () => {},
    warn: (fields, message) => warnings.push([fields, message]),
    error: (fields, message) => warnings.push([fields, message]),
    child: () => log,
  }
  const redact = createRedactor([])
  const metrics = createMetrics({ version: 'test' })
  const sse = metrics.ofApi()
  const redis = connectRedis(redisUrl, 'hasty', log)
  const subscriber = connectRedis(redisUrl, 'subscriber', log)
  const store = createStore({ redis, prefix, leaseMs: LEASE_MS })
  const queue = createTicketQueue({ redis, prefix, log })
  const feed = createFeed({ subscriber, store, log })
  const stopping = new AbortController()
  const none = join(tmpdir(), `${prefix}-none`)
  const archive = createArchive({
    store,
    folder: openSessionFolder({ sessionDir: none, costDir: none }),
    log,
  })
  const tasks = createTaskService({
    store,
    queue,
    feed,
    archive,
    defaults: {
      model: 'gpt-4o-mini',
      agent_preset: 'default',
      tool_preset: 'full',
      max_iterations: 10,
      task_timeout_s: 3600,
    },
    presets: { agent: ['default'], tool: ['full'] },
    redact,
    stopping: stopping.signal,
  })
  const eventStream = createEventStream({
    store,
    feed,
    archive,
    view: createView(redact),
    redact,
    metrics: sse,
    stopping: stopping.signal,
    log,
  })
  const access = { tokens: [], allowedHosts: [], metricsPublic: false }
  const app = createBaseApp({ access, redact, log, metrics }).route('/', eventRoutes({ tasks, eventStream }))
  const server = createHttpServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  for (const connection of [redis, subscriber])
    if (connection.status !== 'ready') await once(connection, 'ready')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    warnings,
    redis,
    connections: () => promisify(server.getConnections.bind(server))(),
    /** Streams, as the metrics tell. */
    open: async () => (await sse.sseConnections.get()).values[0]?.value ?? 0,
    leave: () => stopping.abort(),
    async [Symbol.asyncDispose]() {
      stopping.abort()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
      feed[Symbol.dispose]()
      redis.disconnect()
    },
  }
}

test('an open stream survives a Redis that is killed and started again, and loses nothing', async () => {
  await using redis = await startRedisServer()
  await using worker = openStore({ url: redis.url })
  await using api = await serveEvents(redis.url, worker.prefix)
  const session = newSession()
  const task = await runTask(worker.store, session)
  using ofSession = watch(`${api.url}/api/sse?session_id=${session}`)
  using ofTask = watch(`${api.url}/api/tasks/${task.task_id}/events`)
  await ofSession.untilType('task_started')
  await ofTask.untilType('task_started')
  for (let round = 1; round <= 2; round++) {
    await redis.kill()
    await vi.waitUntil(() => api.redis.status !== 'ready')
    const held = task.append(step(round), step(round + 1))
    await redis.start()
    const ids = await held
    await ofSession.untilId(ids[1] as string)
    await ofTask.untilId(ids[1] as string)
  }
  await task.finish()
  await ofSession.untilType('task_complete')
  await ofTask.untilType('task_complete')
  const ids = await logIds(worker.store, session)
  for (const client of [ofSession, ofTask]) {
    expect(client.ids()).toEqual(ids)
    expect(client.statuses).toEqual([200])
  }
})

test('a stream opened while Redis is away answers 200 and begins when it is back', async () => {
  await using redis = await startRedisServer()
  await using worker = openStore({ url: redis.url })
  await using api = await serveEvents(redis.url, worker.prefix)
  const session = newSession()
  const task = await runTask(worker.store, session)
  const before = await logIds(worker.store, session)
  await redis.kill()
  await vi.waitUntil(() => api.redis.status !== 'ready')
  using ofSession = watch(`${api.url}/api/sse?session_id=${session}`)
  using resumed = watch(`${api.url}/api/sse?session_id=${session}`, { lastEventId: before[0] as string })
  using ofTask = watch(`${api.url}/api/tasks/${task.task_id}/events`)
  using ofNoTask = await readRaw(`${api.url}/api/tasks/task-unknown/events`)
  const clients = [ofSession, resumed, ofTask]
  for (const client of clients) {
    await client.untilConnected()
    expect(client.statuses).toEqual([200])
    expect(client.durable()).toEqual([])
  }
  expect(ofNoTask.status).toBe(200)
  await redis.start()
  await task.append(step(1))
  await task.finish()
  await Promise.all(clients.map((client) => client.untilType('task_complete')))
  const ids = await logIds(worker.store, session)
  expect(ofSession.ids()).toEqual(ids)
  expect(resumed.ids()).toEqual(ids.slice(1))
  expect(ofTask.ids()).toEqual(ids)
  // Nothing will ever come there, so it ends.
  expect(await ofNoTask.untilEnd()).not.toContain('id: ')
})

test('a client that leaves during the outage is let go, one that comes after it hears what follows', async () => {
  await using redis = await startRedisServer()
  await using worker = openStore({ url: redis.url })
  await using api = await serveEvents(redis.url, worker.prefix)
  const session = newSession()
  const task = await runTask(worker.store, session)
  using before = watch(`${api.url}/api/sse?session_id=${session}`)
  await before.untilType('task_started')
  await redis.kill()
  await vi.waitUntil(() => api.redis.status !== 'ready')
  using during = watch(`${api.url}/api/sse?session_id=${session}`)
  await during.untilConnected()
  expect(await api.open()).toBe(2)
  for (const client of [before, during]) client[Symbol.dispose]()
  await vi.waitUntil(async () => (await api.open()) === 0, { timeout: 5000 })
  using after = watch(`${api.url}/api/sse?session_id=${session}`)
  await after.untilConnected()
  await redis.start()
  await after.untilType('task_started')
  for (let i = 1; i <= 3; i++) {
    const [id] = await task.append(step(i))
    await after.untilId(id as string)
  }
})

test('while Redis keeps its connections but says nothing, streams open and wait; then they go on', async () => {
  await using proxy = await startProxy(inject('redisUrl'))
  await using worker = openStore()
  await using api = await serveEvents(proxy.url, worker.prefix)
  const session = newSession()
  const task = await runTask(worker.store, session)
  using open = watch(`${api.url}/api/sse?session_id=${session}`)
  await open.untilType('task_started')
  proxy.stall()
  await task.append(step(1), large(80_000))
  using during = watch(`${api.url}/api/sse?session_id=${session}`)
  using ofTask = watch(`${api.url}/api/tasks/${task.task_id}/events`)
  await Promise.all([during.untilConnected(), ofTask.untilConnected()])
  expect(open.durable()).toHaveLength(2)
  proxy.flow()
  await task.finish()
  const clients = [open, during, ofTask]
  await Promise.all(clients.map((client) => client.untilType('task_complete')))
  const ids = await logIds(worker.store, session)
  for (const client of clients) expect(client.ids()).toEqual(ids)
  expect(open.statuses).toEqual([200])
})

test('a process that leaves ends its streams whole', async () => {
  await using worker = openStore()
  await using api = await serveEvents(worker.url, worker.prefix)
  const session = newSession()
  const task = await queueTask(worker.store, session)
  using raw = await readRaw(`${api.url}/api/tasks/${task.task_id}/events`)
  await raw.until(/event: task_queued\n.+\n\n/)
  api.leave()
  expect(await raw.untilEnd()).toMatch(/\n\n$/)
  expect(await api.open()).toBe(0)
})

test('clients that come, leave, see the end or do not read are nothing to warn of', async () => {
  // node-server prints the error of a stream that is cut off.
  vi.spyOn(console, 'error').mockImplementation(() => {})
  await using worker = openStore()
  await using api = await serveEvents(worker.url, worker.prefix)
  const session = newSession()
  const task = await runTask(worker.store, session)
  using stays = watch(`${api.url}/api/sse?session_id=${session}`)
  for (let i = 0; i < 5; i++) {
    using client = watch(`${api.url}/api/sse?session_id=${session}`)
    using ofTask = await readRaw(`${api.url}/api/tasks/${task.task_id}/events`)
    await client.untilType('task_started')
    await ofTask.until(/task_started/)
  }
  await vi.waitUntil(async () => (await api.open()) === 1, { timeout: 5000 })
  using stuck = await readRaw(`${api.url}/api/sse?session_id=${session}`)
  await stuck.until(/task_started/)
  for (let appended = 0; (await api.open()) === 2 && appended < 100; appended++) {
    const ids = await task.append(...Array.from({ length: 10 }, () => large(50_000)))
    await stays.untilId(ids.at(-1) as string)
  }
  expect(await api.open()).toBe(1)
  // Cut off at once, not when it reads again.
  await vi.waitUntil(async () => (await api.connections()) === 1, { timeout: 5000 })
  await task.finish()
  await stays.untilType('task_complete')
  expect(api.warnings).toEqual([])
})
