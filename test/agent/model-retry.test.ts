import { expect, test } from 'vitest'
import type { Model, ModelFailure, ModelRequest } from '../../src/agent/model.ts'
import { createMeter } from '../../src/agent/model-meter.ts'
import { callModel, type Prepared, type RetryDeps } from '../../src/agent/model-retry.ts'
import { NO_PRICES } from '../../src/agent/prices.ts'
import type { LogEvent } from '../../src/schemas/event.ts'
import { noThrottle, ofType, quiet, testTask } from './support.ts'

const usage = { input_tokens: 1, output_tokens: 1, cached_tokens: 0 }
const failure = (kind: ModelFailure['kind'], extra: Partial<ModelFailure> = {}): ModelFailure => ({
  kind,
  code: kind,
  message: `it was ${kind}`,
  ...extra,
})

const HI: Prepared = { kind: 'ready', messages: [{ role: 'user', content: 'hi' }], maxTokens: 10 }

/** Fails by the script, then answers with the model's name. */
const tried = async (
  failures: ModelFailure[],
  extra: Partial<RetryDeps> = {},
  request: Partial<ModelRequest> = {},
) => {
  const events: LogEvent[] = []
  const asked: ModelRequest[] = []
  const emit = (event: LogEvent) => void events.push(event)
  const model: Model = async (call) => {
    asked.push(call)
    const next = failures.shift()
    if (next) return { ok: false, failure: next }
    return {
      ok: true,
      answer: { content: call.model, tool_calls: [], model: call.model, usage, cut: false },
    }
  }
  const commit = async () => {}
  const outcome = await callModel(
    {
      tools: [],
      toolChoice: 'auto',
      signal: new AbortController().signal,
      onDelta: () => {},
      ...request,
    },
    {
      meter: createMeter({ task: testTask, own: events, emit, commit, model, prices: NO_PRICES }),
      thinks: true,
      models: ['a'],
      prepare: async (_, overflowed) => (overflowed ? { kind: 'full' } : HI),
      throttle: noThrottle,
      policy: { baseMs: 1 },
      emit,
      onTry: () => {},
      shouldPause: () => false,
      log: quiet,
      ...extra,
    },
  )
  return { outcome, events, errors: ofType(events, 'error'), models: asked.map((call) => call.model), asked }
}

const repeat = (kind: ModelFailure['kind'], times: number) =>
  Array.from({ length: times }, () => failure(kind))

test('what is worth a retry is tried again and told with the wait', async () => {
  const { outcome, errors } = await tried([failure('overloaded'), failure('network'), failure('timeout')])
  expect(outcome).toMatchObject({ kind: 'answer', answer: { content: 'a' } })
  expect(errors.map((event) => event.code)).toEqual(['overloaded', 'network', 'timeout'])
  for (const event of errors)
    expect(event).toMatchObject({ phase: 'model', recoverable: true, retry_in_ms: expect.any(Number) })
})

test.each([
  ['overloaded', 6],
  ['network', 6],
  ['timeout', 3],
] as const)('a model that stays %s is given up after %i calls', async (kind, calls) => {
  const { outcome, models } = await tried(repeat(kind, 20))
  expect(outcome).toMatchObject({ kind: 'failed', failure: { kind, message: `it was ${kind}` } })
  expect(models).toHaveLength(calls)
})

test('a request without the parameter that was refused is a call of its own, made at once', async () => {
  const refused = failure('unsupported', { unbilled: true })
  const { outcome, errors, events } = await tried([refused, refused])
  expect(outcome).toMatchObject({ kind: 'answer' })
  expect(errors).toEqual([])
  expect(ofType(events, 'model_call_start').map(({ call }) => call)).toEqual(['1.1', '1.2', '1.3'])
  expect(ofType(events, 'model_call_end').map((end) => end.outcome)).toEqual(['refused', 'refused'])
})

test('waits grow and keep to Retry-After', async () => {
  const { errors } = await tried(
    [
      failure('overloaded'),
      failure('overloaded'),
      failure('overloaded', { retryAfterMs: 90 }),
      failure('overloaded'),
    ],
    { policy: { baseMs: 4, maxMs: 100 } },
  )
  const [first, second, third, fourth] = errors.map((event) => event.retry_in_ms)
  expect(first).toBeGreaterThanOrEqual(3)
  expect(first).toBeLessThanOrEqual(5)
  expect(second).toBeGreaterThanOrEqual(9)
  expect(third).toBe(90)
  expect(fourth).toBeLessThanOrEqual(100)
})

test('a rejected request fails at once with what the provider said, fallback or not', async () => {
  const rejected = failure('rejected', { code: 'unauthorized', message: '401 no such key' })
  const { outcome, models, errors } = await tried([rejected], { models: ['a', 'b'] })
  expect(outcome).toEqual({ kind: 'failed', failure: rejected })
  expect(models).toEqual(['a'])
  expect(errors).toMatchObject([{ code: 'unauthorized', message: '401 no such key', recoverable: false }])
})

test('an overloaded model gives way to its fallback after two calls', async () => {
  const { outcome, models } = await tried(repeat('overloaded', 2), { models: ['a', 'b'] })
  expect(models).toEqual(['a', 'a', 'b'])
  expect(outcome).toMatchObject({ answer: { content: 'b' } })
})

test('an unreachable model gives way after all its calls, and the last one gets all of its own', async () => {
  const { models } = await tried(repeat('network', 20), { models: ['a', 'b'] })
  expect(models).toEqual('a a a a a a b b b b b b'.split(' '))
})

test('a context that does not fit is compressed once, then goes to the fallback, prepared for that', async () => {
  const asked: [string, boolean][] = []
  const prepare: RetryDeps['prepare'] = async (model, overflowed) => {
    asked.push([model, overflowed])
    return { ...HI, maxTokens: asked.length }
  }
  const tries = await tried(repeat('context_overflow', 2), { models: ['a', 'b'], prepare })
  expect(tries.models).toEqual(['a', 'a', 'b'])
  expect(asked).toEqual([
    ['a', false],
    ['a', true],
    ['b', false],
  ])
  expect(tries.asked.map((request) => request.maxTokens)).toEqual([1, 2, 3])
})

test('a context that cannot be compressed fails as such', async () => {
  const { outcome, models } = await tried(repeat('context_overflow', 3))
  expect(outcome).toMatchObject({ kind: 'failed', failure: { kind: 'context_overflow' } })
  expect(models).toEqual(['a'])
})

test('the fleet hears of an overload, and its wait is kept', async () => {
  const reported: [string, number][] = []
  let waits = 2
  const throttle = {
    waitMs: () => (waits-- > 0 ? 1 : 0),
    report: (model: string, ms: number) => void reported.push([model, ms]),
  }
  const { outcome } = await tried([failure('overloaded', { retryAfterMs: 7 })], { throttle })
  expect(outcome.kind).toBe('answer')
  expect(reported).toEqual([['a', 7]])
  expect(waits).toBeLessThan(0)
})

test('a long wait ends with the abort', async () => {
  const controller = new AbortController()
  const emit = () => controller.abort()
  const { outcome } = await tried(
    [failure('overloaded', { retryAfterMs: 50_000 })],
    { emit },
    { signal: controller.signal },
  )
  expect(outcome).toEqual({ kind: 'stopped' })
})

test('a worker that leaves does not begin to wait', async () => {
  const { outcome } = await tried([failure('overloaded', { retryAfterMs: 50_000 })], {
    shouldPause: () => true,
  })
  expect(outcome).toEqual({ kind: 'stopped' })
})
