import { expect, test } from 'vitest'
import type { Block } from '../../src/agent/context-compression.ts'
import { messagesOf, transcriptBlocks } from '../../src/agent/fold.ts'
import type { ModelRequest } from '../../src/agent/model.ts'
import { wireRequest } from '../../src/agent/openai-messages.ts'
import { createOpenAiModel } from '../../src/agent/openai-model.ts'
import type { LogEvent } from '../../src/schemas/event.ts'
import { brokenPairs, Counted, type CountingOptions, countingEndpoint } from './counting-endpoint.ts'
import { activate, ofType, placed, queued, scripted, type TestTool } from './support.ts'

const GOAL = 'Walk through every page, note the totals, and report them. The secret word is heliotrope.'
const GPT_4 = 8_192

const LINES = [
  'export const total = (rows: readonly Row[]): number => rows.reduce((sum, row) => sum + row.amount, 0)',
  '2026-11-24T22:58:18.123Z INFO  request 7f3a9c2e-11d4-4c1b finished in 42 ms (status=200, bytes=18231)',
  'drwxr-xr-x  2 root root   4096 Nov 24 23:02 node_modules/@scope/package-name/dist/esm',
  'Die Zusammenfassung der älteren Ausgaben dürfte größtenteils übersichtlich bleiben.',
  '当上下文超过窗口限制时,系统会压缩较旧的工具输出,并生成摘要以保持任务目标。',
  '0001f3a0: 4883 ec08 488b 05dd 5f21 0048 85c0 7402  H...H.._!.H..t.',
  '{"id":17,"path":"src/index.ts","matches":[{"line":3,"text":"import { z } from \'zod\'"}]}',
]
/** Outputs of all sorts and sizes, up to what a tool may return. */
const page: TestTool = {
  effect: 'read',
  run: ({ n }) => {
    const number = Number(n)
    const line = LINES[number % LINES.length] ?? ''
    const size = [400, 16_000, 2_000, 9_000][number % 4] ?? 0
    return {
      content: `page ${number}\n${`${line}\n`.repeat(Math.ceil(size / line.length))}`.slice(0, 16_000),
    }
  },
}

const asking =
  (turns: number): CountingOptions['answer'] =>
  (turn) =>
    turn <= turns
      ? { content: `looking at page ${turn}`, call: { name: 'page', arguments: JSON.stringify({ n: turn }) } }
      : { content: 'all pages seen' }

/** The log of a task that has called for pages so often. */
const roundsOf = (count: number): LogEvent[] => [
  { event_type: 'task_started', worker: 'w', attempt: 1, tools: { allowed: [], denied: [] } },
  ...Array.from({ length: count }, (_, index): LogEvent[] => {
    const iteration = index + 1
    const call = { call_id: `${iteration}.1`, tool_name: 'page' }
    const usage = { input_tokens: 0, output_tokens: 0, cached_tokens: 0 }
    return [
      { event_type: 'iteration_start', iteration, max_iterations: 250 },
      {
        event_type: 'think_complete',
        iteration,
        content: '',
        tool_calls: [{ ...call, arguments: '{}' }],
        model: 'm',
        usage,
        duration: 1,
      },
      { event_type: 'tool_call_start', iteration, ...call, arguments: {}, effect: 'read' },
      { event_type: 'tool_call_complete', ...call, result: 'a word. '.repeat(2_000), duration: 1 },
      { event_type: 'iteration_complete', iteration, tokens_used: 0, tools_run: 1 },
    ]
  }).flat(),
]

const task = { task: GOAL, models: ['gpt-4'] as [string], max_tokens: 4_096, max_iterations: 250 }
const deps = { windowOf: async () => GPT_4 }

test('a task of 200 iterations with large outputs stays within 8192 tokens and keeps its goal', async () => {
  const endpoint = await countingEndpoint({ window: GPT_4, answer: asking(200) })
  const { run, recorder } = await activate({
    model: createOpenAiModel({ baseUrl: endpoint.baseUrl }),
    tools: { page },
    task,
    deps,
    history: placed([queued(GOAL)]),
  })
  const outcome = await run
  expect(outcome).toMatchObject({ kind: 'answered', answer: 'all pages seen', total_iterations: 201 })
  expect(endpoint.refused()).toBe(0)
  expect(endpoint.asked.filter(({ body }) => !JSON.stringify(body.messages).includes(GOAL))).toEqual([])
  expect(endpoint.asked.flatMap(({ body }) => brokenPairs(body))).toEqual([])
  expect(endpoint.asked.filter(({ kind }) => kind === 'turn')).toHaveLength(201)

  // Room is used: what is sent is near what may be sent, and summaries are rare.
  const sizes = endpoint.asked.slice(20).map(({ tokens }) => tokens)
  expect(Math.max(...sizes)).toBeGreaterThan(3_000)
  const summaries = endpoint.asked.filter(({ kind }) => kind === 'summary')
  expect(summaries.length).toBeGreaterThan(2)
  expect(summaries.length).toBeLessThan(50)

  // What the summaries cost is told.
  const compressions = ofType(recorder.events, 'context_compression')
  const told = compressions.flatMap((event) => event.usage?.input_tokens ?? [])
  expect(told.reduce((sum, tokens) => sum + tokens, 0)).toBe(
    summaries.reduce((sum, { tokens }) => sum + tokens, 0),
  )
  // Every answer is counted with 20 tokens.
  expect(outcome.total_tokens).toBe(endpoint.asked.reduce((sum, { tokens }) => sum + tokens + 20, 0))
  expect(compressions.every((event) => event.tokens_after < event.tokens_before)).toBe(true)
})

test('whoever takes the task over, wherever it stands, asks what was asked there before', async () => {
  const endpoint = await countingEndpoint({ window: GPT_4, answer: asking(60) })
  const model = createOpenAiModel({ baseUrl: endpoint.baseUrl })
  const { run, recorder } = await activate({
    model,
    tools: { page },
    task,
    deps,
    history: placed([queued(GOAL)]),
  })
  await run
  const turns = endpoint.asked.filter(({ kind }) => kind === 'turn').map(({ body }) => body)
  const answers = recorder.events.flatMap((event, index) =>
    event.event_type === 'think_complete' ? [index] : [],
  )
  expect(answers).toHaveLength(61)
  for (const [turn, index] of answers.entries()) {
    const leaving = new AbortController()
    const asked: ModelRequest[] = []
    const successor = await activate({
      model: async (request) => {
        asked.push(request)
        leaving.abort('drained')
        return { ok: false, failure: { kind: 'aborted', code: 'aborted', message: 'aborted' } }
      },
      tools: { page },
      task,
      deps,
      history: placed([queued(GOAL), ...recorder.events.slice(0, index)]),
      signal: leaving.signal,
    })
    await successor.run
    const taken = { tokensParam: 'max_tokens', temperature: true, streamOptions: true } as const
    expect(asked.map((request) => Counted.parse(wireRequest(request, taken, undefined)))).toEqual([
      turns[turn],
    ])
  }
})

test('a compression is durable before the model sees what it left', async () => {
  const { model } = scripted([
    { tool_calls: [{ tool_name: 'page', arguments: '{"n":1}' }] },
    async () => {
      expect(ofType(recorder.events.slice(0, recorder.durable()), 'context_compression')).toHaveLength(1)
      return { content: 'end' }
    },
  ])
  const { run, recorder } = await activate({ model, tools: { page }, task, deps })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'end' })
})

test('a provider that refuses the length gets less, once, and the log says so', async () => {
  // It reads less than is known of it.
  const endpoint = await countingEndpoint({ window: 6_000, answer: asking(12) })
  const { run, recorder } = await activate({
    model: createOpenAiModel({ baseUrl: endpoint.baseUrl }),
    tools: { page },
    task: { ...task, max_tokens: 500 },
    deps,
  })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'all pages seen' })
  expect(endpoint.refused()).toBeGreaterThan(0)
  expect(endpoint.refused()).toBeLessThan(4)
  expect(
    ofType(recorder.events, 'context_compression').filter(({ reason }) => reason === 'overflow'),
  ).toHaveLength(endpoint.refused())
})

test('when no summary is to be had the oldest exchanges go, with a note, and the task goes on', async () => {
  const endpoint = await countingEndpoint({ window: GPT_4, answer: asking(40), summary: ' ' })
  const { run, recorder } = await activate({
    model: createOpenAiModel({ baseUrl: endpoint.baseUrl }),
    tools: { page },
    task,
    deps,
  })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'all pages seen' })
  expect(endpoint.refused()).toBe(0)
  expect(ofType(recorder.events, 'error')).toContainEqual(
    expect.objectContaining({ phase: 'context', code: 'empty_answer', recoverable: true }),
  )
  expect(JSON.stringify(endpoint.asked.at(-1)?.body.messages)).toContain('Earlier messages were removed')
})

test('a task stopped while a summary is written is as if it had not begun to be', async () => {
  const cancelled = new AbortController()
  let summaries = 0
  const { run, recorder } = await activate({
    model: async (request) => {
      expect(request.tools).toEqual([])
      summaries += 1
      cancelled.abort('cancelled')
      return { ok: false, failure: { kind: 'aborted', code: 'aborted', message: 'aborted' } }
    },
    tools: { page },
    task,
    deps,
    history: placed([queued(GOAL), ...roundsOf(60)]),
    signal: cancelled.signal,
  })
  expect(await run).toMatchObject({ kind: 'aborted' })
  expect(summaries).toBe(1)
  expect(ofType(recorder.events, 'context_compression')).toEqual([])
})

test('earlier tasks are summed up before the own steps, and the next task starts from the summary', async () => {
  const said = 'an answer of some length. '.repeat(120)
  const started: LogEvent = {
    event_type: 'task_started',
    worker: 'w',
    attempt: 1,
    tools: { allowed: [], denied: [] },
  }
  const answer: LogEvent = {
    event_type: 'think_complete',
    iteration: 1,
    content: said,
    tool_calls: [],
    model: 'm',
    usage: { input_tokens: 1, output_tokens: 1, cached_tokens: 0 },
    duration: 1,
  }
  const earlier = Array.from({ length: 8 }, (_, index) =>
    placed([queued(`earlier ${index}`), started, answer], `earlier-${index}`),
  ).flat()
  const endpoint = await countingEndpoint({ window: GPT_4, answer: asking(1) })
  const { run, recorder } = await activate({
    model: createOpenAiModel({ baseUrl: endpoint.baseUrl }),
    tools: { page },
    task,
    deps,
    history: [...earlier, ...placed([queued(GOAL)])],
  })
  expect(await run).toMatchObject({ kind: 'answered' })
  expect(endpoint.asked[0]?.kind).toBe('summary')
  const first = endpoint.asked.find(({ kind }) => kind === 'turn')
  expect(first?.body.messages[1]?.content).toContain('the older part, summed up')
  const own = placed([queued(GOAL), ...recorder.events])
  const next = messagesOf(transcriptBlocks([...earlier, ...own], 'the next'))
  expect(next[0]?.content).toContain('the older part, summed up')
  expect(next.map(({ content }) => content)).toContain(GOAL)
  expect(next.length).toBeLessThan(12)
})

test('a prompt that leaves no room for a conversation gets it from the answer', async () => {
  const endpoint = await countingEndpoint({ window: GPT_4, answer: asking(6) })
  const { run } = await activate({
    model: createOpenAiModel({ baseUrl: endpoint.baseUrl }),
    tools: { page },
    task: { ...task, task: GOAL },
    deps: { ...deps, systemPrompt: async () => 'A rule that must be kept at all times. '.repeat(450) },
  })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'all pages seen' })
  expect(endpoint.refused()).toBe(0)
  expect(endpoint.asked[0]?.body.max_tokens).toBeLessThan(4_096)
})

test('a fallback that reads less gets less', async () => {
  const endpoint = await countingEndpoint({ window: 8_192, answer: asking(0) })
  const small = createOpenAiModel({ baseUrl: endpoint.baseUrl })
  const said: Block['messages'] = []
  const { run, recorder } = await activate({
    model: async (request) => {
      if (request.model === 'small') return small(request)
      said.push(...request.messages)
      return { ok: false, failure: { kind: 'overloaded', code: 'overloaded', message: 'busy' } }
    },
    tools: { page },
    task: { ...task, models: ['large', 'small'] },
    deps: { windowOf: async (model) => (model === 'small' ? GPT_4 : 128_000), retry: { baseMs: 1 } },
    history: placed([queued(GOAL), ...roundsOf(6)]),
  })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'all pages seen' })
  expect(said.some(({ content }) => content.length > 15_000)).toBe(true)
  expect(endpoint.refused()).toBe(0)
  expect(ofType(recorder.events, 'context_compression')).toHaveLength(1)
})
