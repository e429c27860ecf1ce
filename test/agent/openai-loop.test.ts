import { type JournalEntry, LLMock } from '@copilotkit/aimock'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createOpenAiModel } from '../../src/agent/openai-model.ts'
import { activate, call, ofType, placed, queued } from './support.ts'

/** A real server that speaks OpenAI's API, with a model on it. */
const mocked = async (idleTimeoutMs = 60_000) => {
  const mock = new LLMock({ port: 0, logLevel: 'silent' })
  await mock.start()
  onTestFinished(() => mock.stop())
  const model = createOpenAiModel({ baseUrl: `${mock.url}/v1`, apiKey: 'test-key', idleTimeoutMs })
  return { mock, model }
}

const toolCalls = (...calls: { tool_name: string; arguments: string }[]) => ({
  toolCalls: calls.map(({ tool_name, arguments: args }) => ({ name: tool_name, arguments: args })),
})

const Sent = z.object({
  model: z.string(),
  messages: z.array(
    z.object({
      role: z.string(),
      content: z.string().nullable(),
      tool_call_id: z.string().optional(),
      tool_calls: z
        .array(z.object({ id: z.string(), function: z.object({ name: z.string(), arguments: z.string() }) }))
        .optional(),
    }),
  ),
})
const sent = (entries: readonly JournalEntry[]) => entries.map((entry) => Sent.parse(entry.body))

test('five iterations each get their own calls back, with the matching results', async () => {
  const { mock, model } = await mocked()
  for (let turn = 0; turn < 4; turn += 1)
    mock.on(
      { turnIndex: turn },
      {
        content: `step ${turn}`,
        ...toolCalls(call('echo', { text: `a${turn}` }), call('save', { text: `b${turn}` })),
      },
    )
  mock.on({ turnIndex: 4 }, { content: 'five iterations later' })
  const { run, recorder } = await activate({ model })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'five iterations later', total_iterations: 5 })

  const requests = sent(mock.getRequests())
  expect(requests).toHaveLength(5)
  for (const [turn, { messages }] of requests.entries()) {
    const expected = Array.from({ length: turn }, (_, i) => [
      { role: 'assistant', content: `step ${i}` },
      { role: 'tool', content: `echo: a${i}` },
      { role: 'tool', content: `saved: b${i}` },
    ])
    expect(messages.slice(2)).toMatchObject(expected.flat())
    const asked = messages.flatMap((message) => message.tool_calls?.map(({ id }) => id) ?? [])
    const answered = messages.flatMap((message) => message.tool_call_id ?? [])
    expect(answered).toEqual(asked)
    expect(new Set(asked).size).toBe(turn * 2)
  }
  expect(ofType(recorder.events, 'think_complete').every(({ usage }) => usage.input_tokens > 0)).toBe(true)
})

test('broken arguments and unknown tools come back to the model as results', async () => {
  const { mock, model } = await mocked()
  mock.on({ turnIndex: 0 }, toolCalls(call('echo', '{"text": "unfin'), call('teleport', { to: 'Mars' })))
  mock.on({ turnIndex: 1 }, { content: 'understood' })
  const { run } = await activate({ model })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'understood' })
  const [, second] = sent(mock.getRequests())
  expect(second?.messages.slice(-2)).toMatchObject([
    { role: 'tool', content: 'The arguments are not valid JSON.' },
    { role: 'tool', content: 'There is no tool teleport.' },
  ])
})

test('a rate limit with Retry-After is told and waited for', async () => {
  const { mock, model } = await mocked()
  mock.on({ sequenceIndex: 0 }, { error: { message: 'slow down' }, status: 429, retryAfter: 0 })
  mock.on({}, { content: 'after the wait' })
  const { run, recorder } = await activate({ model })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'after the wait' })
  expect(ofType(recorder.events, 'error')).toMatchObject([
    { code: 'rate_limited', message: '429 slow down', recoverable: true },
  ])
})

test('a server error is tried again', async () => {
  const { mock, model } = await mocked()
  mock.nextRequestError(500, { message: 'oops' })
  mock.on({}, { content: 'second try' })
  const { run } = await activate({ model })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'second try' })
})

test('an answer that breaks off is asked for again from the start', async () => {
  const { mock, model } = await mocked()
  const content = 'a long answer in many small pieces that will not arrive'
  mock.on({ sequenceIndex: 0 }, { content }, { chunkSize: 4, truncateAfterChunks: 4 })
  mock.on({}, { content: 'whole' })
  const { run, recorder } = await activate({ model })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'whole' })
  expect(ofType(recorder.events, 'error')).toMatchObject([{ code: 'connection_failed' }])
  expect(recorder.frames.at(-1)).toMatchObject({ offset: 0, delta: 'whole' })
})

test("a wrong key fails at once with the provider's message", async () => {
  const { mock, model } = await mocked()
  mock.on({}, { error: { message: 'Incorrect API key provided', code: 'invalid_api_key' }, status: 401 })
  const { run } = await activate({ model })
  expect(await run).toMatchObject({
    kind: 'failed',
    error: { code: 'unauthorized', message: '401 Incorrect API key provided' },
  })
  expect(mock.getRequests()).toHaveLength(1)
})

test('an overloaded model is replaced by its fallback', async () => {
  const { mock, model } = await mocked()
  mock.on({ model: 'big' }, { error: { message: 'busy' }, status: 503 })
  mock.on({ model: 'small' }, { content: 'from the small one' })
  const { run } = await activate({ model, task: { models: ['big', 'small'] } })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'from the small one' })
  expect(sent(mock.getRequests()).map((request) => request.model)).toEqual(['big', 'big', 'small'])
})

test('a cancel in the middle of an answer ends the run with what had streamed', async () => {
  const { mock, model } = await mocked()
  const slow = { chunkSize: 4, streamingProfile: { ttft: 0, tps: 20 } }
  mock.on({}, { content: 'thinking about it for a very long time indeed' }, slow)
  const controller = new AbortController()
  const cancelling: typeof model = (request) =>
    model({
      ...request,
      onDelta: (text) => {
        request.onDelta(text)
        controller.abort('cancelled')
      },
    })
  const { run } = await activate({ model: cancelling, signal: controller.signal })
  expect(await run).toMatchObject({ kind: 'aborted', partial_answer: 'thin' })
})

test('a model that goes silent is given up and asked again', async () => {
  const { mock, model } = await mocked(80)
  mock.on({ sequenceIndex: 0 }, { content: 'never' }, { streamingProfile: { ttft: 20_000 } })
  mock.on({}, { content: 'awake' })
  const { run, recorder } = await activate({ model })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'awake' })
  expect(ofType(recorder.events, 'error')).toMatchObject([{ code: 'idle_timeout' }])
})

test('a second task of the session sends the first one before it, with ids that do not collide', async () => {
  const { mock, model } = await mocked()
  mock.on({ turnIndex: 0 }, toolCalls(call('echo', { text: 'one' })))
  mock.on({ turnIndex: 1 }, { content: 'first done' })
  mock.on({ turnIndex: 2 }, toolCalls(call('echo', { text: 'two' })))
  mock.on({ turnIndex: 3 }, { content: 'second done' })
  const first = await activate({ model, history: placed([queued('first task')], 'task-1') })
  await first.run
  const history = [
    ...placed([queued('first task'), ...first.recorder.events], 'task-1'),
    ...placed([queued('second task')], 'task-2'),
  ]
  const second = await activate({ model, history, task: { task_id: 'task-2' } })
  expect(await second.run).toMatchObject({ kind: 'answered', answer: 'second done' })
  const messages = sent(mock.getRequests()).at(-1)?.messages ?? []
  expect(messages.map((message) => message.role)).toEqual(
    'system user assistant tool assistant user assistant tool'.split(' '),
  )
  const ids = messages.flatMap((message) => message.tool_calls?.map(({ id }) => id) ?? [])
  expect(new Set(ids).size).toBe(2)
})
