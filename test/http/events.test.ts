/** What the event streams send, over real HTTP and Redis; a test's own hand does the worker's part. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApi } from '../support/api.ts'
import {
  completed,
  large,
  logIds,
  newSession,
  queueTask,
  readRaw,
  runTask,
  step,
  type Watch,
  watch,
} from '../support/sse.ts'

const SECRET = 'hunter2-"correct horse"'
let api: Awaited<ReturnType<typeof startApi>>
beforeAll(async () => {
  api = await startApi({ secrets: [SECRET] })
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

const sessionUrl = (session: string, query = '') => `${api.url}/api/sse?session_id=${session}${query}`
const taskUrl = (taskId: string, query = '') => `${api.url}/api/tasks/${taskId}/events${query}`
const types = (client: Watch) => client.durable().map(({ type }) => type)
const seqs = (client: Watch) => client.durable().map(({ data }) => data['seq'])

/** A task with steps 1 … n that has ended, and the ids of its log. */
const endedTask = async (session: string, steps = 3) => {
  const worker = await runTask(api.store, session)
  for (let i = 1; i <= steps; i++) await worker.append(step(i))
  await worker.finish()
  return { worker, ids: await logIds(api.store, session) }
}

test('the first frame is retry and connected, under headers that no proxy buffers or changes', async () => {
  const session = newSession()
  using stream = await readRaw(sessionUrl(session))
  expect(await stream.until(/\n\n/)).toBe(
    `retry: 2000\nevent: connected\ndata: ${JSON.stringify({ session_id: session })}\n\n`,
  )
  expect(stream.status).toBe(200)
  expect(Object.fromEntries(stream.headers)).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  })
})

test("a task's stream begins at its first event and ends after its terminal one", async () => {
  const { worker, ids } = await endedTask(newSession())
  using stream = await readRaw(taskUrl(worker.task_id))
  const text = await stream.untilEnd()
  expect(text.match(/(?<=^id: ).+/gm)).toEqual(ids)
  expect(text).toMatch(/event: task_complete\ndata: .+\n\n$/)
  expect(text.match(/"seq":\d+/g)).toEqual(ids.map((_, i) => `"seq":${i + 1}`))
})

test('a stream opened before the task ends is followed live, ended, and not opened again', async () => {
  const worker = await queueTask(api.store, newSession())
  using client = watch(taskUrl(worker.task_id))
  await client.untilType('task_queued')
  await worker.begin()
  await worker.append(step(1), step(2))
  await client.untilType('iteration_start', 2)
  await worker.finish()
  await client.untilType('task_complete')
  await client.untilClosed()
  expect(client.statuses).toEqual([200, 204])
  expect(types(client)).toEqual([
    'task_queued',
    'task_started',
    'iteration_start',
    'iteration_start',
    'task_complete',
  ])
  expect(seqs(client)).toEqual([1, 2, 3, 4, 5])
})

test('a session that does not exist yet can be listened to', async () => {
  const session = newSession()
  using client = watch(sessionUrl(session))
  await client.untilConnected()
  const worker = await runTask(api.store, session)
  await worker.finish()
  await client.untilType('task_complete')
  expect(types(client)).toEqual(['task_queued', 'task_started', 'task_complete'])
})

test('a durable event has an id, its place and its time', async () => {
  const session = newSession()
  const { worker, ids } = await endedTask(session, 0)
  using client = watch(sessionUrl(session))
  await client.untilType('task_complete')
  for (const [i, { id, type, data }] of client.durable().entries()) {
    expect(id).toBe(ids[i])
    expect(data).toMatchObject({
      event_type: type,
      id,
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      session_id: session,
      task_id: worker.task_id,
      seq: i + 1,
    })
  }
})

test('replay=all sends a whole session, replay=none only what is new, no word the last 1000', async () => {
  const session = newSession()
  const worker = await runTask(api.store, session)
  for (let i = 0; i < 12; i++)
    await worker.append(...Array.from({ length: 100 }, (_, j) => step(100 * i + j)))
  const before = await logIds(api.store, session)
  using all = watch(sessionUrl(session, '&replay=all'))
  using none = watch(sessionUrl(session, '&replay=none'))
  using usual = watch(sessionUrl(session))
  await Promise.all([all, none, usual].map((client) => client.untilConnected()))
  await worker.finish()
  await Promise.all([all, none, usual].map((client) => client.untilType('task_complete')))
  const ids = await logIds(api.store, session)
  expect(before).toHaveLength(1202)
  expect(all.ids()).toEqual(ids)
  expect(none.ids()).toEqual(ids.slice(-1))
  expect(usual.ids()).toEqual(ids.slice(-1001))
})

test('Last-Event-ID of the third event gives exactly the rest, as header and as query', async () => {
  const session = newSession()
  const { worker, ids } = await endedTask(session)
  const third = ids[2] as string
  for (const url of [sessionUrl(session), taskUrl(worker.task_id)]) {
    using byHeader = watch(url, { lastEventId: third })
    using byQuery = watch(`${url}${url.includes('?') ? '&' : '?'}last_event_id=${third}`)
    for (const client of [byHeader, byQuery]) {
      await client.untilType('task_complete')
      expect(client.ids()).toEqual(ids.slice(3))
    }
  }
})

test('the header counts when header and query differ, since a reconnect keeps the query', async () => {
  const session = newSession()
  const { ids } = await endedTask(session)
  using client = watch(sessionUrl(session, `&last_event_id=${ids[0]}`), { lastEventId: ids[3] as string })
  await client.untilType('task_complete')
  expect(client.ids()).toEqual(ids.slice(4))
})

test("a resume after a task's terminal event, or later, is 204", async () => {
  const { worker, ids } = await endedTask(newSession())
  for (const id of [ids.at(-1) as string, '99999999999999-0', '18446744073709551615-18446744073709551615']) {
    const answer = await fetch(taskUrl(worker.task_id), { headers: { 'Last-Event-ID': id } })
    expect([answer.status, await answer.text()]).toEqual([204, ''])
  }
})

test("a task's stream shows nothing of the session's other tasks", async () => {
  const session = newSession()
  const first = await runTask(api.store, session)
  const second = await queueTask(api.store, session)
  const third = await queueTask(api.store, session)
  const streams = [first, second, third].map(({ task_id }) => watch(taskUrl(task_id)))
  const [one, two, three] = streams as [Watch, Watch, Watch]
  using whole = watch(sessionUrl(session))
  await first.append(step(1))
  await api.store.cancel(third.task_id, 'not needed', 'user')
  await first.append(step(2))
  await first.finish()
  await second.begin()
  await second.finish(completed('second'))
  await Promise.all([one, two].map((client) => client.untilType('task_complete')))
  await three.untilType('task_cancelled')
  expect(types(one)).toEqual([
    'task_queued',
    'task_started',
    'iteration_start',
    'iteration_start',
    'task_complete',
  ])
  expect(types(two)).toEqual(['task_queued', 'task_started', 'task_complete'])
  expect(types(three)).toEqual(['task_queued', 'task_cancelled'])
  for (const [client, task] of [
    [one, first],
    [two, second],
    [three, third],
  ] as const) {
    expect(seqs(client)).toEqual(client.durable().map((_, i) => i + 1))
    expect(new Set(client.durable().map(({ data }) => data['task_id']))).toEqual(new Set([task.task_id]))
    client[Symbol.dispose]()
  }
  await whole.untilType('task_complete', 2)
  expect(whole.ids()).toEqual(await logIds(api.store, session))
  expect(new Set(whole.ids()).size).toBe(10)
})

test('an event too large to publish arrives in its place', async () => {
  const session = newSession()
  const worker = await runTask(api.store, session)
  using client = watch(sessionUrl(session))
  await client.untilType('task_started')
  await worker.append(step(1))
  await worker.append(large(100_000), step(2))
  await worker.append(large(100_000))
  await worker.finish()
  await client.untilType('task_complete')
  expect(client.ids()).toEqual(await logIds(api.store, session))
  const pieces = client.durable().find(({ type }) => type === 'tool_call_start')?.data['arguments']
  expect(JSON.stringify(pieces).length).toBeGreaterThan(100_000)
})

test('events larger than a reader may lag reach one that reads, live and replayed', async () => {
  const session = newSession()
  for (let i = 0; i < 3; i++) {
    const worker = await runTask(api.store, session)
    using live = watch(taskUrl(worker.task_id))
    await live.untilType('task_started')
    await worker.append(step(1))
    await worker.finish(completed('y'.repeat(3_000_000)))
    await live.untilType('task_complete')
    expect(live.statuses).toEqual([200])
  }
  using replayed = watch(sessionUrl(session))
  await replayed.untilType('task_complete', 3)
  expect(replayed.ids()).toEqual(await logIds(api.store, session))
  expect(replayed.statuses).toEqual([200])
})

test('pieces of the answer arrive live, without id and seq', async () => {
  const worker = await runTask(api.store, newSession())
  using stream = await readRaw(taskUrl(worker.task_id))
  await stream.until(/event: task_started\n.+\n\n/)
  await worker.append(step(1))
  await stream.until(/event: iteration_start\n.+\n\n/)
  const heard = stream.until(/event: assistant_message\n.+\n\n/)
  await worker.sayUntil(heard, 'Hello')
  const text = await heard
  const frame = text.split('\n\n').find((part) => part.includes('event: assistant_message')) ?? ''
  expect(frame).not.toMatch(/^id:/m)
  const data = JSON.parse(frame.replace(/^event.*\ndata: /, '')) as Record<string, unknown>
  expect(data).toEqual({
    event_type: 'assistant_message',
    attempt: 1,
    iteration: 1,
    offset: 0,
    delta: 'Hello',
    session_id: worker.session_id,
    task_id: worker.task_id,
    timestamp: expect.stringMatching(/Z$/),
  })
})

const said = (client: Watch) =>
  client.seen.filter(({ type }) => type === 'assistant_message').map(({ data }) => data['delta'])

test('pieces of an older attempt, or of a task that has ended, are dropped', async () => {
  const session = newSession()
  const worker = await runTask(api.store, session)
  using client = watch(sessionUrl(session))
  await client.untilType('task_started')
  await worker.append(step(1))
  await client.untilType('iteration_start')
  const hears = (piece: string) => client.until(piece, () => said(client).includes(piece))
  await worker.sayUntil(hears('first attempt'), 'first attempt')
  await worker.release()
  await worker.begin()
  await worker.say('a straggler', 1)
  await worker.sayUntil(hears('second attempt'), 'second attempt')
  await worker.say('a straggler', 1)
  await worker.finish()
  await worker.say('too late')
  const next = await runTask(api.store, session)
  await next.sayUntil(hears('another task'), 'another task')
  expect([...new Set(said(client))]).toEqual(['first attempt', 'second attempt', 'another task'])
})

test('they are dropped too for a client that came or resumed after the newer attempt began', async () => {
  const session = newSession()
  const ended = await runTask(api.store, session)
  await ended.finish()
  const worker = await runTask(api.store, session)
  await worker.release()
  await worker.begin()
  const [id] = await worker.append(step(1))
  using fresh = watch(sessionUrl(session, '&replay=none'))
  using resumed = watch(taskUrl(worker.task_id), { lastEventId: id as string })
  await fresh.untilConnected()
  await resumed.untilConnected()
  await worker.append(step(2))
  await fresh.untilType('iteration_start')
  await resumed.untilType('iteration_start')
  await ended.say('too late')
  await worker.say('a straggler', 1)
  // The first pieces may be missed while it is found out which attempt is at work.
  const heard = () => [fresh, resumed].every((client) => said(client).includes('second attempt'))
  while (!heard()) {
    await worker.say('a straggler', 1)
    await worker.say('second attempt')
    await worker.append(step(3))
    const steps = fresh.durable().length
    await fresh.until('another step', () => fresh.durable().length >= steps)
    await resumed.untilId(fresh.ids().at(-1) as string)
  }
  for (const client of [fresh, resumed]) expect(new Set(said(client))).toEqual(new Set(['second attempt']))
})

test('think_complete tells how many tools the model asked for, not which', async () => {
  const worker = await runTask(api.store, newSession())
  await worker.append({
    event_type: 'think_complete',
    iteration: 1,
    content: 'let me see',
    tool_calls: [
      { call_id: '1.0', tool_name: 'bash', arguments: '{"command":"ls"}' },
      { call_id: '1.1', tool_name: 'think', arguments: '{}' },
    ],
    model: 'm',
    usage: { input_tokens: 1, output_tokens: 2, cached_tokens: 0 },
    duration: 5,
  })
  using client = watch(taskUrl(worker.task_id))
  await client.untilType('think_complete')
  const data = client.durable().at(-1)?.data
  expect(data).toMatchObject({ content: 'let me see', tool_call_count: 2 })
  expect(data).not.toHaveProperty('tool_calls')
})

test('secrets are masked wherever an event may carry them', async () => {
  const worker = await runTask(api.store, newSession(), `use ${SECRET}`)
  using live = await readRaw(taskUrl(worker.task_id))
  await live.until(/event: task_started\n.+\n\n/)
  const think = { iteration: 1, usage: { input_tokens: 1, output_tokens: 2, cached_tokens: 0 }, duration: 5 }
  const text = `see ${SECRET}`
  await worker.append(
    { event_type: 'think_complete', ...think, content: text, tool_calls: [], model: 'm' },
    {
      event_type: 'tool_call_start',
      iteration: 1,
      call_id: '1.0',
      tool_name: 'bash',
      arguments: { command: [text], [SECRET]: { [text]: 1 } },
      effect: 'write',
    },
    {
      event_type: 'tool_call_complete',
      call_id: '1.0',
      tool_name: 'bash',
      result: text,
      error: text,
      duration: 1,
    },
    { event_type: 'error', phase: 'model', code: 'x', message: text, recoverable: true },
  )
  await live.until(/event: error\n.+\n\n/)
  await worker.sayUntil(live.until(/event: assistant_message\n.+\n\n/), text)
  await worker.finish({
    event_type: 'task_failed',
    error: { code: 'x', message: text },
    partial_answer: text,
    stop_reason: 'error',
    total_iterations: 1,
    total_tokens: 1,
    duration: 1,
  })
  const sent = await live.untilEnd()
  expect(sent).not.toContain('hunter2')
  const pieces = sent.match(/event: assistant_message/g)?.length ?? 0
  expect(sent.match(/\[redacted\]/g)?.length).toBe(10 + pieces)
})

test('what a mask takes away leaves whole JSON behind', async () => {
  const worker = await runTask(api.store, newSession())
  using client = watch(taskUrl(worker.task_id))
  await client.untilType('task_started')
  await worker.append(step(1))
  await client.untilType('iteration_start')
  const piece = `-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC"`
  await worker.sayUntil(client.untilType('assistant_message'), piece)
  expect([...new Set(said(client))]).toEqual(['[redacted]"'])
})

test('a long text is cut in the middle and says so', async () => {
  const worker = await runTask(api.store, newSession())
  await worker.append({
    event_type: 'tool_call_complete',
    call_id: '1.0',
    tool_name: 'bash',
    result: `begin${'z'.repeat(50_000)}end`,
    duration: 1,
  })
  using client = watch(taskUrl(worker.task_id))
  await client.untilType('tool_call_complete')
  const data = client.durable().at(-1)?.data
  expect(data).toMatchObject({
    truncated: true,
    result: expect.stringMatching(/^begin.*34008 characters cut.*end$/s),
  })
})

test('a client that asks for what was trimmed is told, and gets what there is', async () => {
  const session = newSession()
  const old = await runTask(api.store, session)
  const next = await queueTask(api.store, session)
  await old.finish()
  await next.begin()
  await next.finish()
  const [queued, started, nextQueued, ended] = await logIds(api.store, session)
  await api.store.keeping.trim(session, { entries: 5, retentionMs: 1e9 })
  const left = await logIds(api.store, session)
  expect(left).toHaveLength(3)
  expect(left[0]).toBe(nextQueued)

  using early = watch(sessionUrl(session), { lastEventId: queued as string })
  using between = watch(sessionUrl(session), { lastEventId: nextQueued as string })
  using late = watch(sessionUrl(session), { lastEventId: ended as string })
  using anew = watch(sessionUrl(session))
  const told = async (client: Watch) => {
    await client.untilType('task_complete')
    return client.seen.filter(({ type }) => type === 'log_truncated')
  }
  expect(await told(early)).toEqual([
    { type: 'log_truncated', id: '', data: { asked: queued, first: nextQueued } },
  ])
  expect(early.seen[1]?.type).toBe('log_truncated')
  expect(early.ids()).toEqual(left)
  expect(await told(between)).toMatchObject([{ data: { asked: nextQueued, first: left[1] } }])
  expect(between.ids()).toEqual(left.slice(1))
  expect(await told(late)).toEqual([])
  expect(late.ids()).toEqual(left.slice(1))
  expect(await told(anew)).toEqual([])
  expect(anew.ids()).toEqual(left)

  using resumed = watch(taskUrl(next.task_id), { lastEventId: nextQueued as string })
  expect(await told(resumed)).toEqual([])
  expect(resumed.ids()).toEqual(left.slice(1))
  const gone = await fetch(taskUrl(old.task_id, `?last_event_id=${started}`))
  expect(gone.status).toBe(404)
  expect(await gone.json()).toMatchObject({ code: 'task_not_found' })
})

test("a pending task's stream ends when the task is cancelled over the API", async () => {
  const worker = await queueTask(api.store, newSession())
  using stream = await readRaw(taskUrl(worker.task_id))
  await stream.until(/event: task_queued\n/)
  await api.request(`/api/tasks/${worker.task_id}/cancel`, { method: 'POST' })
  expect(await stream.untilEnd()).toMatch(
    /event: task_cancelled\ndata: .+"reason":"task cancelled by user".+\n\n$/,
  )
})
