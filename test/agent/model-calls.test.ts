/** Every model call is in the log from its start to its outcome, with what it used and cost, and none breaks a budget. */
import { describe, expect, test } from 'vitest'
import { createMeter } from '../../src/agent/model-meter.ts'
import { createPrices } from '../../src/agent/prices.ts'
import { type Calibration, createCalibration, estimateInput } from '../../src/agent/tokens.ts'
import type { LogEvent } from '../../src/schemas/event.ts'
import {
  activate,
  call,
  createRecorder,
  ofType,
  placed,
  queued,
  scripted,
  testTask,
  types,
} from './support.ts'

/** A token of input costs a micro-USD, one from the cache half of it, one of output ten. */
const prices = createPrices({
  prices: { 'model-a': { input: 1, output: 10, cached: 0.5 } },
  offline: false,
})
const usage = { input_tokens: 100, output_tokens: 20, cached_tokens: 40 }
const COST = 0.000_28

test('a call is in the log before it is made, and its answer is its outcome', async () => {
  const recorder = createRecorder()
  let durable: string[] = []
  const { model } = scripted([
    async () => {
      durable = types(recorder.events.slice(0, recorder.durable()))
      return { content: 'done', usage }
    },
  ])
  await (await activate({ model, recorder, deps: { prices } })).run
  expect(durable).toEqual(['task_started', 'iteration_start', 'model_call_start'])
  const [start] = ofType(recorder.events, 'model_call_start')
  expect(start).toMatchObject({ call: '1.1', iteration: 1, model: 'model-a', max_tokens: 1000 })
  expect(start?.estimated_cost_usd).toBe((start?.estimated_input_tokens ?? 0) / 1e6)
  expect(ofType(recorder.events, 'think_complete')).toMatchObject([{ call: '1.1', usage, cost_usd: COST }])
})

test('costs add up exactly, tokens from the cache at their own price', async () => {
  const { model } = scripted([
    { tool_calls: [call('echo', { text: 'a' })], usage },
    { tool_calls: [call('echo', { text: 'b' })], usage },
    { content: 'done', usage },
  ])
  const { run, recorder } = await activate({ model, deps: { prices } })
  expect(await run).toMatchObject({ kind: 'answered', total_tokens: 360, cost_usd: 0.000_84 })
  expect(ofType(recorder.events, 'iteration_complete').map(({ cost_usd }) => cost_usd)).toEqual([
    COST,
    COST,
    COST,
  ])
})

test('without a price tokens are counted and no cost is named', async () => {
  const { model } = scripted([{ content: 'done', usage }])
  const { run, recorder } = await activate({ model })
  const outcome = await run
  expect(outcome).toMatchObject({ total_tokens: 120 })
  expect(JSON.stringify([outcome, recorder.events])).not.toContain('cost_usd')
})

test('the cost of an answer without a usage is an estimate', async () => {
  const { model } = scripted([{ content: 'done', usage, usageEstimated: true }])
  const { run, recorder } = await activate({ model, deps: { prices } })
  const outcome = await run
  expect(outcome).toMatchObject({ kind: 'answered', total_tokens: 120 })
  expect(outcome).not.toHaveProperty('cost_usd')
  const [answer] = ofType(recorder.events, 'think_complete')
  expect(answer).toMatchObject({ usage, estimated_cost_usd: COST })
  expect(answer).not.toHaveProperty('cost_usd')
})

test('an aborted call is estimated: its whole input, and what had come of the answer', async () => {
  const controller = new AbortController()
  const { model } = scripted([
    async (request) => {
      request.onDelta('half of an ans')
      controller.abort('cancelled')
      return {}
    },
  ])
  const { run, recorder } = await activate({ model, signal: controller.signal, deps: { prices } })
  expect(await run).toMatchObject({ kind: 'aborted', total_tokens: 0 })
  const [start] = ofType(recorder.events, 'model_call_start')
  const [end] = ofType(recorder.events, 'model_call_end')
  expect(end).toMatchObject({ call: '1.1', outcome: 'aborted' })
  expect(end?.estimated_usage?.input_tokens).toBe(start?.estimated_input_tokens)
  expect(end?.estimated_usage?.output_tokens).toBeGreaterThanOrEqual(3)
  expect(end?.estimated_cost_usd).toBeGreaterThan(start?.estimated_cost_usd ?? Infinity)
})

test('an answer that came in the moment of the abort is counted as it is', async () => {
  const controller = new AbortController()
  const { run, recorder } = await activate({
    signal: controller.signal,
    deps: { prices },
    model: async () => {
      controller.abort('cancelled')
      return { ok: true, answer: { content: 'late', tool_calls: [], model: 'x', usage, cut: false } }
    },
  })
  expect(await run).toMatchObject({ kind: 'aborted', total_tokens: 120, cost_usd: COST })
  expect(ofType(recorder.events, 'model_call_end')).toMatchObject([
    { outcome: 'answered', usage, cost_usd: COST },
  ])
})

test('a refused call costs nothing, one that broke off is estimated, each try is a call', async () => {
  const failures = [
    { kind: 'overloaded', code: 'rate_limited', message: '429', unbilled: true },
    { kind: 'network', code: 'connection_failed', message: 'broke off' },
  ] as const
  let tries = 0
  const { run, recorder } = await activate({
    deps: { prices },
    model: async () => {
      const failure = failures[tries]
      tries += 1
      if (failure) return { ok: false, failure }
      return { ok: true, answer: { content: 'done', tool_calls: [], model: 'x', usage, cut: false } }
    },
  })
  expect(await run).toMatchObject({ kind: 'answered', cost_usd: COST })
  const [start] = ofType(recorder.events, 'model_call_start')
  expect(ofType(recorder.events, 'model_call_start').map((event) => event.call)).toEqual([
    '1.1',
    '1.2',
    '1.3',
  ])
  expect(ofType(recorder.events, 'model_call_end')).toEqual([
    { event_type: 'model_call_end', call: '1.1', iteration: 1, model: 'model-a', outcome: 'refused' },
    {
      event_type: 'model_call_end',
      call: '1.2',
      iteration: 1,
      model: 'model-a',
      outcome: 'broken',
      estimated_usage: { input_tokens: start?.estimated_input_tokens, output_tokens: 0, cached_tokens: 0 },
      estimated_cost_usd: start?.estimated_cost_usd,
    },
  ])
})

const started: LogEvent[] = [
  queued('do it'),
  { event_type: 'task_started', worker: 'w', attempt: 1, tools: { allowed: [], denied: [] } },
  { event_type: 'iteration_start', iteration: 1, max_iterations: 10 },
]
const lostStart: LogEvent = {
  event_type: 'model_call_start',
  call: '1.1',
  iteration: 1,
  model: 'model-a',
  estimated_input_tokens: 50,
  estimated_cost_usd: 0.000_05,
  max_tokens: 1000,
}

test('a call whose worker was lost gets its outcome from the next activation, once', async () => {
  const { model } = scripted([{ content: 'done', usage }])
  const first = await activate({
    model,
    task: { attempt: 2 },
    history: placed([...started, lostStart]),
    deps: { prices },
  })
  await first.run
  const { events } = first.recorder
  expect(types(events).slice(0, 3)).toEqual(['task_resumed', 'model_call_end', 'model_call_start'])
  expect(ofType(events, 'model_call_end')).toEqual([
    {
      event_type: 'model_call_end',
      call: '1.1',
      iteration: 1,
      model: 'model-a',
      outcome: 'lost',
      estimated_usage: { input_tokens: 50, output_tokens: 0, cached_tokens: 0 },
      estimated_cost_usd: 0.000_05,
    },
  ])
  expect(ofType(events, 'model_call_start')).toMatchObject([{ call: '2.1' }])

  const again = await activate({
    model,
    task: { attempt: 3 },
    history: placed([...started, lostStart, ...events.slice(0, 2)]),
    deps: { prices },
  })
  await again.run
  expect(ofType(again.recorder.events, 'model_call_end')).toEqual([])
})

describe('a budget', () => {
  const reading = { content: 'so far', tool_calls: [call('echo', { text: 'a' })], usage }

  test('of tokens ends the task before the call that could break it, with the best answer so far', async () => {
    const { model, requests } = scripted([reading, { content: 'never asked' }])
    const { run, recorder } = await activate({ model, task: { max_total_tokens: 500 } })
    expect(await run).toEqual({
      kind: 'failed',
      error: {
        code: 'budget_exceeded',
        message: expect.stringMatching(/^120 of 500 tokens are used, and the next call takes about \d+ /),
      },
      stop_reason: 'budget',
      partial_answer: 'so far',
      total_iterations: 2,
      total_tokens: 120,
    })
    expect(requests).toHaveLength(1)
    expect(ofType(recorder.events, 'model_call_start')).toHaveLength(1)
  })

  test('shortens the answer to what is left, as long as that is of use', async () => {
    const { model, requests } = scripted([reading, { content: 'done', usage }])
    const { run, recorder } = await activate({ model, task: { max_total_tokens: 1000 } })
    expect(await run).toMatchObject({ kind: 'answered' })
    const inputs = ofType(recorder.events, 'model_call_start').map((event) => event.estimated_input_tokens)
    expect(requests.map(({ maxTokens }) => maxTokens)).toEqual([
      1000 - (inputs[0] ?? 0),
      1000 - 120 - (inputs[1] ?? 0),
    ])
  })

  test('of money is kept whatever the answer costs, lost calls counted', async () => {
    // The lost call cost 50 micro-USD, so 2950 are left.
    const { model, requests } = scripted([{ content: 'done', usage }])
    const { run, recorder } = await activate({
      model,
      task: { attempt: 2, max_cost_usd: 0.003 },
      history: placed([...started, lostStart]),
      deps: { prices },
    })
    expect(await run).toMatchObject({ kind: 'answered' })
    const [start] = ofType(recorder.events, 'model_call_start')
    const room = Math.floor((2950 - (start?.estimated_input_tokens ?? 0)) / 10)
    expect(requests[0]?.maxTokens).toBe(room)
  })

  test('that cannot even pay for the input ends the task before its first call', async () => {
    const { model, requests } = scripted([])
    const { run } = await activate({ model, task: { max_cost_usd: 0.000_001 }, deps: { prices } })
    expect(await run).toMatchObject({
      kind: 'failed',
      stop_reason: 'budget',
      error: { code: 'budget_exceeded' },
    })
    expect(requests).toEqual([])
  })

  test('that cuts an answer off ends the task with what there is of it', async () => {
    const { model } = scripted([{ content: 'it begins well but', cut: true, usage }])
    const { run } = await activate({ model, task: { max_total_tokens: 1000 } })
    expect(await run).toMatchObject({
      kind: 'failed',
      stop_reason: 'budget',
      error: { code: 'budget_exceeded' },
      partial_answer: 'it begins well but',
    })
  })

  test('of money is not left to a fallback whose price nobody knows', async () => {
    const asked: string[] = []
    const { run } = await activate({
      task: { models: ['model-a', 'unpriced'], max_cost_usd: 1 },
      deps: { prices, retry: { baseMs: 1, tries: { overloaded: 2, network: 1, timeout: 1 } } },
      model: async (request) => {
        asked.push(request.model)
        return {
          ok: false,
          failure: { kind: 'overloaded', code: 'overloaded', message: '503', unbilled: true },
        }
      },
    })
    expect(await run).toMatchObject({ kind: 'failed', error: { code: 'overloaded' } })
    expect(asked).toEqual(['model-a', 'model-a'])
  })

  test('of money cannot be kept for a model without a price: it is not called', async () => {
    const { model, requests } = scripted([])
    const { run } = await activate({ model, task: { max_cost_usd: 1 } })
    expect(await run).toMatchObject({
      kind: 'failed',
      stop_reason: 'budget',
      error: { code: 'unknown_price' },
    })
    expect(requests).toEqual([])
  })
})

describe('asked by somebody else than the loop', () => {
  const request = () => ({
    model: 'model-a',
    messages: [{ role: 'user' as const, content: 'sum this up' }],
    tools: [],
    toolChoice: 'none' as const,
    maxTokens: 300,
    signal: new AbortController().signal,
    onDelta: () => {},
  })
  const meterOf = (max_total_tokens?: number, calibration?: Calibration) => {
    const recorder = createRecorder()
    const { events, emit, commit } = recorder
    const { model, requests } = scripted([{ content: 'a sum', usage }])
    const meter = createMeter({
      task: { ...testTask, max_total_tokens },
      own: events,
      emit,
      commit,
      model,
      prices,
      ...(calibration && { calibration }),
    })
    return { meter, events, requests }
  }

  test('a call is counted as well', async () => {
    const { meter, events } = meterOf()
    const asked = await meter.ask(request())
    expect(asked).toMatchObject({ kind: 'answer', answer: { content: 'a sum' }, cost_usd: COST })
    expect(events).toMatchObject([
      { event_type: 'model_call_start', call: '1.1' },
      { event_type: 'model_call_end', call: '1.1', outcome: 'answered', usage, cost_usd: COST },
    ])
  })

  test('a model that counts more than we do has its calls estimated so, one that counts less does not', async () => {
    const estimates = [2, 0.8].map(async (ratio) => {
      const calibration = createCalibration()
      calibration.observe('model-a', 100 * ratio, 100)
      const { meter, events } = meterOf(undefined, calibration)
      await meter.ask(request())
      return ofType(events, 'model_call_start')[0]?.estimated_input_tokens
    })
    const plain = estimateInput(request())
    expect(await Promise.all(estimates)).toEqual([2 * plain, plain])
  })

  test('calls at the same time share what is left of the budget', async () => {
    const { meter, requests } = meterOf(500)
    const asked = await Promise.all([meter.ask(request()), meter.ask(request())])
    expect(asked.map(({ kind }) => kind).toSorted()).toEqual(['answer', 'over_budget'])
    expect(requests).toHaveLength(1)
  })
})

test('children share what is left of a budget, and what they used is no longer there', async () => {
  const think: LogEvent = {
    event_type: 'think_complete',
    call: '1.1',
    iteration: 1,
    content: 'x',
    tool_calls: [],
    model: 'model-a',
    usage,
    cost_usd: COST,
    duration: 1,
  }
  const { emit, commit } = createRecorder()
  const task = { ...testTask, max_total_tokens: 1240, max_cost_usd: 0.001_56 }
  const { model } = scripted([])
  const of = { task, own: [think], emit, commit, model, prices }
  expect(createMeter(of).share(2)).toEqual({ max_total_tokens: 560, max_cost_usd: 0.000_64 })
  expect(createMeter({ ...of, children: [think] }).share(2)).toEqual({
    max_total_tokens: 500,
    max_cost_usd: 0.000_5,
  })
})

describe('a price', () => {
  const costOf = async (options: Parameters<typeof createPrices>[0], model: string) =>
    (await createPrices(options).of(model))?.({ input_tokens: 1000, output_tokens: 100, cached_tokens: 500 })

  test('is known for models of known providers, by name and address', async () => {
    expect(await costOf({ prices: {}, offline: false }, 'gpt-4o-mini')).toBe(172_500)
    expect(
      await costOf({ prices: {}, baseUrl: 'http://127.0.0.1:1/v1', offline: false }, 'gpt-4o-mini'),
    ).toBe(undefined)
    expect(await costOf({ prices: {}, offline: false }, 'no-such-model')).toBe(undefined)
  })

  test('that is configured goes before what is known, and the offline model is free', async () => {
    const own = { 'gpt-4o-mini': { input: 1, output: 2 } }
    expect(await costOf({ prices: own, offline: false }, 'gpt-4o-mini')).toBe(1_200_000)
    expect(await costOf({ prices: {}, offline: true }, 'offline')).toBe(0)
  })
})
