/** Event streams while much goes on: many appends and clients, lost messages and connections, slow readers. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { startApi } from '../support/api.ts'
import { large, logIds, newSession, readRaw, runTask, step, watch } from '../support/sse.ts'

type Api = Awaited<ReturnType<typeof startApi>>
afterEach(() => {
  vi.useRealTimers()
})

const sessionUrl = (api: Api, session: string, query = '') =>
  `${api.url}/api/sse?session_id=${session}${query}`
const gauge = async (api: Api) =>
  Number(/^alex_sse_connections (\d+)$/m.exec(await (await api.request('/metrics')).text())?.[1])

test('nothing is lost or sent twice to clients that come and go while events are appended', async () => {
  await using api = await startApi()
  const session = newSession()
  const worker = await runTask(api.store, session)
  const written = await logIds(api.store, session)
  let writing = true
  const write = async () => {
    for (let i = 1; i <= 500; i++) {
      const events = i % 50 === 0 ? [large(70_000)] : Array.from({ length: 1 + (i % 4) }, () => step(i))
      written.push(...(await worker.append(...events)))
    }
    await worker.finish()
    writing = false
  }
  const comeAndGo = async () => {
    const start = Math.floor(Math.random() * written.length)
    const got: string[] = []
    const after = written[start] as string
    for (let last = after, complete = false; !complete; ) {
      using client = watch(sessionUrl(api, session), { lastEventId: last })
      const enough = 1 + Math.floor(Math.random() * 150)
      const ended = () => client.durable().at(-1)?.type === 'task_complete'
      await client.until(`${enough} events`, () => client.durable().length >= enough || ended())
      got.push(...client.ids())
      last = got.at(-1) as string
      complete = ended()
    }
    return { after, got }
  }
  const joinLate = async () => {
    const results = []
    while (writing) results.push(await comeAndGo())
    return results
  }
  const [, ...clients] = await Promise.all([write(), ...Array.from({ length: 12 }, joinLate)])
  const ids = await logIds(api.store, session)
  for (const { after, got } of clients.flat()) expect(got).toEqual(ids.slice(ids.indexOf(after) + 1))
  expect(clients.flat().length).toBeGreaterThanOrEqual(12)
})

test("every task's seq is 1, 2, 3 … and every id is there once, whoever listens from when", async () => {
  await using api = await startApi()
  const session = newSession()
  using early = watch(sessionUrl(api, session))
  await early.untilConnected()
  for (let i = 0; i < 5; i++) {
    const worker = await runTask(api.store, session)
    await worker.append(step(1), step(2), step(3))
    await worker.finish()
  }
  using late = watch(sessionUrl(api, session))
  for (const client of [early, late]) {
    await client.untilType('task_complete', 5)
    expect(new Set(client.ids()).size).toBe(30)
    expect(client.durable().map(({ data }) => data['seq'])).toEqual(
      Array.from({ length: 5 }, () => [1, 2, 3, 4, 5, 6]).flat(),
    )
  }
})

test('connections to Redis that are killed under a stream lose and repeat nothing', async () => {
  await using api = await startApi()
  const name = `sub-${newSession()}`
  // It is in subscriber mode only once somebody listens.
  await api.subscriber.client('SETNAME', name)
  api.subscriber.options.connectionName = name
  const session = newSession()
  const worker = await runTask(api.store, session)
  using client = watch(sessionUrl(api, session))
  await client.untilType('task_started')
  const kill = async () => {
    const list = String(await api.redis.client('LIST'))
    const id = list
      .split('\n')
      .find((line) => line.includes(` name=${name} `))
      ?.match(/^id=(\d+)/)?.[1]
    return id === undefined ? 0 : api.redis.client('KILL', 'ID', id)
  }
  let killed = 0
  for (let i = 1; i <= 300; i++) {
    if (i % 30 === 0) killed += Number(await kill())
    await worker.append(step(i))
  }
  await worker.finish()
  await client.untilType('task_complete')
  expect(client.ids()).toEqual(await logIds(api.store, session))
  expect(client.statuses).toEqual([200])
  expect(killed).toBeGreaterThan(0)
})

test('a message that pub/sub loses is noticed at the next one', async () => {
  await using api = await startApi()
  const session = newSession()
  const worker = await runTask(api.store, session)
  using client = watch(sessionUrl(api, session))
  await client.untilType('task_started')
  const channel = api.store.key('events', session)
  await api.subscriber.unsubscribe(channel)
  const lost = await worker.append(step(1), step(2))
  await api.subscriber.subscribe(channel)
  const [next] = await worker.append(step(3))
  await client.untilId(next as string)
  expect(client.ids().slice(-3)).toEqual([...lost, next])
})

test('a lost last message is noticed within 15 s, and as often comes a heartbeat', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  await using api = await startApi()
  const session = newSession()
  const worker = await runTask(api.store, session)
  using client = watch(sessionUrl(api, session))
  using raw = await readRaw(sessionUrl(api, session))
  await client.untilType('task_started')
  await raw.until(/event: task_started\n/)
  await api.subscriber.unsubscribe(api.store.key('events', session))
  const [lost] = await worker.append(step(1))
  await vi.advanceTimersByTimeAsync(15_000)
  await client.untilId(lost as string)
  expect(await raw.until(new RegExp(`id: ${lost}`))).toContain('\n\n: heartbeat\n\n')
})

test('open streams are counted, and no longer when their clients have left', async () => {
  await using api = await startApi()
  const session = newSession()
  const worker = await runTask(api.store, session)
  const clients = Array.from({ length: 10 }, () => watch(sessionUrl(api, session)))
  using ending = await readRaw(`${api.url}/api/tasks/${worker.task_id}/events`)
  await Promise.all(clients.map((client) => client.untilType('task_started')))
  await ending.until(/event: task_started\n/)
  expect(await gauge(api)).toBe(11)
  await worker.finish()
  await ending.untilEnd()
  await vi.waitUntil(async () => (await gauge(api)) === 10)
  for (const client of clients) client[Symbol.dispose]()
  await vi.waitUntil(async () => (await gauge(api)) === 0, { timeout: 5000 })
})

test('a reader that does not read is cut off, resumes by id, and holds nobody up', async () => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
  await using api = await startApi()
  const session = newSession()
  const worker = await runTask(api.store, session)
  using reader = watch(sessionUrl(api, session))
  await reader.untilType('task_started')

  const { hostname, port } = new URL(api.url)
  const socket = connect({ host: hostname, port: Number(port) })
  let text = ''
  socket.setEncoding('utf8').on('data', (part) => {
    text += String(part)
  })
  socket.on('error', () => {})
  socket.write(`GET /api/sse?session_id=${session} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`)
  await vi.waitUntil(() => text.includes('task_started'), { timeout: 5000 })
  socket.pause()
  expect(await gauge(api)).toBe(2)

  let appended = 0
  while ((await gauge(api)) === 2 && appended < 1000) {
    await worker.append(...Array.from({ length: 10 }, () => large(50_000)))
    appended += 10
    await reader.until('what was appended', () => reader.durable().length >= appended + 2)
  }
  expect(await gauge(api)).toBe(1)
  const closed = once(socket, 'close')
  socket.resume()
  await closed
  await worker.finish()
  await reader.untilType('task_complete')
  const ids = await logIds(api.store, session)
  expect(reader.ids()).toEqual(ids)
  expect(reader.statuses).toEqual([200])

  const got = text.match(/(?<=^id: ).+(?=\nevent: .+\ndata: .+\n)/gm) ?? []
  expect(got).toEqual(ids.slice(0, got.length))
  expect(got.length).toBeLessThan(ids.length)
  using again = watch(sessionUrl(api, session), { lastEventId: got.at(-1) as string })
  await again.untilType('task_complete')
  expect([...got, ...again.ids()]).toEqual(ids)
})
