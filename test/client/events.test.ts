/** The client's event iterator while connections break, over real HTTP and Redis. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AlexClient, type Connection, createClient, type StreamEvent } from '../../src/client/client.ts'
import { startApi } from '../support/api.ts'
import { completed, logIds, newSession, queueTask, runTask, step } from '../support/sse.ts'
import { startTearingProxy } from './tearing-proxy.ts'

let api: Awaited<ReturnType<typeof startApi>>
let client: AlexClient
beforeAll(async () => {
  api = await startApi()
  client = createClient({ baseUrl: api.url })
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

const collect = async (events: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> => {
  const all: StreamEvent[] = []
  for await (const event of events) all.push(event)
  return all
}
const idOf = (event: StreamEvent): string[] => ('id' in event ? [event.id] : [])

test("a task's events come from the first to the one that ends it, and the iteration ends", async () => {
  const session = newSession()
  const before = await runTask(api.store, session)
  await before.finish()
  const worker = await queueTask(api.store, session)
  const seen = collect(client.events(worker.task_id))
  await worker.begin()
  await worker.append(step(1))
  await worker.finish(completed('the answer'))
  const events = await seen
  expect(events.map(({ event_type }) => event_type)).toEqual([
    'task_queued',
    'task_started',
    'iteration_start',
    'task_complete',
  ])
  const last = events.at(-1)
  expect(last?.event_type === 'task_complete' && last.final_answer).toBe('the answer')
})

test('live pieces of text are told from durable events by their type', async () => {
  const worker = await runTask(api.store, newSession())
  const seen: StreamEvent[] = []
  const heard = Promise.withResolvers<undefined>()
  let saying: Promise<void> | undefined
  for await (const event of client.events(worker.task_id)) {
    seen.push(event)
    if (event.event_type === 'task_started') saying = worker.sayUntil(heard.promise, 'Hello')
    if (event.event_type !== 'assistant_message') continue
    heard.resolve(undefined)
    await saying
    expect(event).toMatchObject({ delta: 'Hello', offset: 0, task_id: worker.task_id })
    expect(event).not.toHaveProperty('id')
    await worker.finish()
  }
  expect(seen.at(-1)?.event_type).toBe('task_complete')
})

test('nothing is lost or doubled when connections break at any byte', async () => {
  const session = newSession()
  const worker = await runTask(api.store, session)
  for (let i = 1; i <= 30; i++) await worker.append(step(i))
  await worker.finish()
  await using proxy = await startTearingProxy(api.url)
  proxy.cutAfter(10, 700, 1500, 1501, 997, 2203)
  const connections: Connection[] = []
  const events = await collect(
    createClient({ baseUrl: proxy.url }).events(worker.task_id, {
      onConnection: (each) => connections.push(each),
    }),
  )
  expect(proxy.cutsLeft()).toBe(0)
  expect(events.flatMap(idOf)).toEqual(await logIds(api.store, session))
  expect(connections.filter(({ state }) => state === 'broken')).toHaveLength(6)
  expect(connections.at(-1)).toEqual({ state: 'open' })
})

test('an API that goes and comes back in mid-stream is followed on, as by wait', async () => {
  await using first = await startApi()
  await using second = await startApi({ prefix: first.prefix })
  const session = newSession()
  const worker = await runTask(first.store, session)
  await using proxy = await startTearingProxy(first.url)
  const through = createClient({ baseUrl: proxy.url })
  const end = through.wait(worker.task_id)
  const seen: StreamEvent[] = []
  const states: string[] = []
  const onConnection = ({ state }: Connection) => states.push(state)
  for await (const event of through.events(worker.task_id, { onConnection })) {
    seen.push(event)
    if (event.event_type !== 'task_started') continue
    await first.stop()
    proxy.aimAt(second.url)
    await worker.append(step(1))
    await worker.finish()
  }
  expect(states).toEqual(['open', 'broken', 'open'])
  expect(seen.flatMap(idOf)).toEqual(await logIds(first.store, session))
  expect((await end).status).toBe('completed')
})

test('a session is followed over its tasks until the signal aborts, after the event it was asked from', async () => {
  const session = newSession()
  const before = await runTask(api.store, session)
  await before.finish()
  const after = (await logIds(api.store, session)).at(-1)
  const worker = await runTask(api.store, session)
  await worker.finish()
  const stop = new AbortController()
  const seen: string[] = []
  const following = async () => {
    for await (const event of client.events({ session }, { after, signal: stop.signal })) {
      seen.push(...idOf(event))
      if (event.event_type === 'task_complete') stop.abort()
    }
  }
  await expect(following()).rejects.toThrow('aborted')
  const ids = await logIds(api.store, session)
  expect(seen).toEqual(ids.slice(ids.indexOf(after ?? '') + 1))
})

test('asked after its last event a task has nothing more to tell', async () => {
  const session = newSession()
  const worker = await runTask(api.store, session)
  await worker.finish()
  const after = (await logIds(api.store, session)).at(-1)
  expect(await collect(client.events(worker.task_id, { after }))).toEqual([])
})
