import { LLMock } from '@copilotkit/aimock'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { type AskDeps, createAsk } from '../../src/agent/ask.ts'
import type { Model } from '../../src/agent/model.ts'
import { createMeter } from '../../src/agent/model-meter.ts'
import { createOfflineModel } from '../../src/agent/offline-model.ts'
import { createOpenAiModel } from '../../src/agent/openai-model.ts'
import { NO_PRICES } from '../../src/agent/prices.ts'
import type { ToolContext } from '../../src/agent/tools/tool.ts'
import type { LogEvent } from '../../src/schemas/event.ts'
import { activate, call, noThrottle, ofType, quiet, scripted, testTask } from './support.ts'

const mocked = async () => {
  const mock = new LLMock({ port: 0, logLevel: 'silent' })
  await mock.start()
  onTestFinished(() => mock.stop())
  return { mock, model: createOpenAiModel({ baseUrl: `${mock.url}/v1`, apiKey: 'test-key' }) }
}

const asking = ({ model, ...deps }: { model: Model } & Partial<AskDeps>) => {
  const all: LogEvent[] = []
  const emit = (event: LogEvent) => void all.push(event)
  const meter = createMeter({
    task: testTask,
    own: all,
    emit,
    commit: async () => {},
    model,
    prices: NO_PRICES,
  })
  const ask = createAsk({
    meter,
    models: ['model-a'],
    throttle: noThrottle,
    policy: { baseMs: 1 },
    emit,
    log: quiet,
    ...deps,
  })
  const signal = new AbortController().signal
  return {
    ask: () => ask({ system: 'Be brief.', text: 'A question.', maxTokens: 50, signal }),
    get events() {
      return all.filter(({ event_type }) => !event_type.startsWith('model_call_'))
    },
    get used() {
      return ofType(all, 'model_call_end').filter(({ outcome }) => outcome === 'answered')
    },
  }
}

test('a question is one call without tools, and its usage is told', async () => {
  const { mock, model } = await mocked()
  mock.on({}, { content: 'An answer.' })
  const asked = asking({ model })
  expect(await asked.ask()).toEqual({ ok: true, text: 'An answer.' })
  expect(asked.used).toMatchObject([{ model: 'model-a', usage: { output_tokens: expect.any(Number) } }])
  expect(asked.events).toEqual([])
  const body = z.looseObject({}).parse(mock.getRequests()[0]?.body)
  expect(body).toMatchObject({
    max_tokens: 50,
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'A question.' },
    ],
  })
  expect(body).not.toHaveProperty('tools')
})

test('a question is asked again when the model is overloaded, and the log tells it', async () => {
  const { mock, model } = await mocked()
  mock.nextRequestError(500, { message: 'oops' })
  mock.on({}, { content: 'second try' })
  const asked = asking({ model })
  expect(await asked.ask()).toEqual({ ok: true, text: 'second try' })
  expect(asked.events).toMatchObject([{ event_type: 'error', recoverable: true }])
})

test('a question that is refused for good is an answer to the tool, and no error of the task', async () => {
  const { mock, model } = await mocked()
  mock.nextRequestError(401, { message: 'bad key' })
  const asked = asking({ model })
  expect(await asked.ask()).toEqual({ ok: false, message: '401 bad key' })
  expect(asked.events).toEqual([])
})

test('the offline model says that it understands nothing', async () => {
  const { ask } = asking({ model: createOfflineModel({ paceMs: 0 }) })
  expect(await ask()).toEqual({ ok: false, message: expect.stringContaining('OPENAI_API_KEY') })
})

test("a tool asks the task's own model, beside the conversation", async () => {
  const { model, requests } = scripted([{ tool_calls: [call('curious')] }, { content: 'The end.' }])
  const curious = {
    effect: 'read' as const,
    run: async (_args: unknown, { ask, signal }: ToolContext) => {
      const answer = await ask({ system: 's', text: 'what?', maxTokens: 5, signal })
      return { content: answer.ok ? answer.text : answer.message }
    },
  }
  const answering: typeof model = async (request) =>
    request.tools.length > 0
      ? model(request)
      : {
          ok: true,
          answer: {
            content: `asked of ${request.model}`,
            tool_calls: [],
            model: 'm',
            cut: false,
            usage: { input_tokens: 1, output_tokens: 1, cached_tokens: 0 },
          },
        }
  const { run, recorder } = await activate({ model: answering, tools: { curious } })
  expect(await run).toMatchObject({ kind: 'answered', answer: 'The end.' })
  expect(ofType(recorder.events, 'tool_call_complete')).toMatchObject([{ result: 'asked of model-a' }])
  expect(requests).toHaveLength(2)
})
