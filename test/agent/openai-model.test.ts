import { describe, expect, test } from 'vitest'
import { createOpenAiModel } from '../../src/agent/openai-model.ts'
import { answerOf, delta, failureOf, rawEndpoint, refuse, request, sse, streaming } from './endpoint.ts'

const tool = (fields: object) => delta({ tool_calls: [fields] })

const round = (args: string) => [
  {
    role: 'assistant' as const,
    content: '',
    tool_calls: [{ call_id: '1.1', tool_name: 'echo', arguments: args }],
  },
  { role: 'tool' as const, call_id: '1.1', content: `result of ${args}` },
]

describe('answers', () => {
  test('text streams as it comes, with the usage the provider gave', async () => {
    const usage = { prompt_tokens: 7, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 5 } }
    const { baseUrl } = await streaming([
      delta({ role: 'assistant', content: 'Hel' }),
      delta({ content: 'lo' }),
      delta({}, 'stop'),
      { ...delta({}), choices: [], usage },
    ])
    const pieces: string[] = []
    const result = await createOpenAiModel({ baseUrl })(request({ onDelta: (text) => pieces.push(text) }))
    expect(pieces).toEqual(['Hel', 'lo'])
    expect(result).toEqual({
      ok: true,
      answer: {
        content: 'Hello',
        tool_calls: [],
        model: 'served',
        usage: { input_tokens: 7, output_tokens: 3, cached_tokens: 5 },
        cut: false,
      },
    })
  })

  test('calls go over connections of earlier ones, though the library cancels at the end mark', async () => {
    const { baseUrl, bodies, closed, connections } = await rawEndpoint((_, response) => {
      sse(response, delta({ content: 'hi' }), delta({}, 'stop'), '[DONE]')
      response.end()
    })
    const model = createOpenAiModel({ baseUrl })
    for (let call = 0; call < 5; call += 1) {
      expect(await model(request())).toMatchObject({ ok: true, answer: { content: 'hi' } })
      await closed[call]
    }
    expect(bodies).toHaveLength(5)
    // The next call may be there before the end of the last.
    expect(connections.size).toBeLessThan(bodies.length)
  })

  test('a connection that stays open behind the end mark holds up nobody', async () => {
    const { baseUrl, closed } = await rawEndpoint((_, response) => {
      sse(response, delta({ content: 'hi' }), delta({}, 'stop'), '[DONE]')
    })
    expect(await createOpenAiModel({ baseUrl })(request())).toMatchObject({ answer: { content: 'hi' } })
    await closed[0]
  })

  test('the key goes with every call, and only as the bearer of it', async () => {
    const { baseUrl, keys } = await rawEndpoint((_, response) => {
      sse(response, delta({ content: 'hi' }, 'stop'), '[DONE]')
      response.end()
    })
    const model = createOpenAiModel({ baseUrl, apiKey: 'sk-secret' })
    await model(request())
    await model(request())
    expect(keys).toEqual(['Bearer sk-secret', 'Bearer sk-secret'])
  })

  test('an answer without an empty line behind its last event is whole', async () => {
    const { baseUrl } = await rawEndpoint((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(`data: ${JSON.stringify(delta({ content: 'hi' }, 'stop'))}`)
    })
    expect(await createOpenAiModel({ baseUrl })(request())).toMatchObject({ answer: { content: 'hi' } })
  })

  test('usage is estimated for an endpoint that gives none', async () => {
    const result = await answerOf([delta({ content: 'four words and more' }, 'stop')])
    expect(result).toMatchObject({
      ok: true,
      answer: { usage: { output_tokens: 4, cached_tokens: 0 }, usageEstimated: true },
    })
    expect(result.ok && result.answer.usage.input_tokens).toBeGreaterThan(10)
  })

  test('a usage that is no count is none', async () => {
    const odd = {
      prompt_tokens: 10.4,
      completion_tokens: -3,
      prompt_tokens_details: { cached_tokens: 'few' },
    }
    const result = await answerOf([delta({ content: 'hi' }, 'stop'), { choices: [], usage: odd }])
    expect(result).toMatchObject({
      answer: { usage: { input_tokens: 10, output_tokens: 0, cached_tokens: 0 } },
    })
  })

  test('reasoning is not part of the answer', async () => {
    const result = await answerOf([delta({ reasoning_content: 'hmm' }), delta({ content: 'yes' }, 'stop')])
    expect(result).toMatchObject({ ok: true, answer: { content: 'yes' } })
  })

  test('an answer that reached its limit is marked as cut', async () => {
    expect(await answerOf([delta({ content: 'half' }, 'length')])).toMatchObject({ answer: { cut: true } })
  })

  test('a missing finish reason is no failure when the stream ends with its mark', async () => {
    expect(await answerOf([delta({ content: 'fine' })])).toMatchObject({ answer: { content: 'fine' } })
  })

  test('an answer whose connection breaks after the finish reason is whole', async () => {
    const result = await answerOf([delta({ content: 'fine' }, 'stop')], 'break')
    expect(result).toMatchObject({ ok: true, answer: { content: 'fine' } })
  })

  test('the end mark inside an answer is text like any other', async () => {
    const result = await answerOf([delta({ content: 'write\ndata: [DONE]\n\nat the end' })], 'eof')
    expect(result).toMatchObject({ ok: false, failure: { kind: 'network' } })
  })
})

describe('tool calls', () => {
  const two = [
    { tool_name: 'echo', arguments: '{"a":1}' },
    { tool_name: 'grep', arguments: '{"b":2}' },
  ]
  const dialects: Record<string, unknown[]> = {
    'pieces by index': [
      tool({ index: 0, id: 'a', function: { name: 'echo', arguments: '' } }),
      tool({ index: 0, function: { arguments: '{"a"' } }),
      tool({ index: 1, id: 'b', function: { name: 'grep', arguments: '{"b"' } }),
      tool({ index: 0, function: { arguments: ':1}' } }),
      tool({ index: 1, function: { arguments: ':2}' } }),
    ],
    'ids without index': [
      tool({ id: 'a', function: { name: 'echo', arguments: '{"a"' } }),
      tool({ id: 'a', function: { arguments: ':1}' } }),
      tool({ id: 'b', function: { name: 'grep', arguments: '{"b":2}' } }),
    ],
    'index without ids': [
      tool({ index: 0, function: { name: 'echo', arguments: '{"a"' } }),
      tool({ index: 0, function: { arguments: ':1}' } }),
      tool({ index: 1, function: { name: 'grep', arguments: '{"b":2}' } }),
    ],
    'neither index nor id': [
      tool({ function: { name: 'echo', arguments: '{"a":1}' } }),
      tool({ function: { name: 'grep', arguments: '{"b":2}' } }),
    ],
    'every call at index 0': [
      tool({ index: 0, id: 'a', function: { name: 'echo', arguments: '{"a":1}' } }),
      tool({ index: 0, id: 'b', function: { name: 'grep', arguments: '{"b":2}' } }),
    ],
    'all in one piece, arguments as objects': [
      delta({
        tool_calls: [
          { index: 0, id: 'a', function: { name: 'echo', arguments: { a: 1 } } },
          { index: 1, id: 'b', function: { name: 'grep', arguments: { b: 2 } } },
        ],
      }),
    ],
    'name and id repeated in each piece': [
      tool({ index: 0, id: 'a', function: { name: 'echo', arguments: '{"a"' } }),
      tool({ index: 0, id: 'a', function: { name: 'echo', arguments: ':1}' } }),
      tool({ index: 1, id: 'b', function: { name: 'grep', arguments: '{"b":2}' } }),
    ],
  }
  test.each(Object.entries(dialects))('are understood from %s', async (_, frames) => {
    expect(await answerOf([...frames, delta({}, 'tool_calls')])).toMatchObject({
      answer: { tool_calls: two },
    })
  })

  test('missing arguments are an empty object, broken ones stay as they are', async () => {
    const result = await answerOf([
      tool({ index: 0, id: 'a', function: { name: 'echo' } }),
      tool({ index: 1, id: 'b', function: { name: 'grep', arguments: '{"b' } }),
      delta({}, 'length'),
    ])
    expect(result).toMatchObject({
      answer: {
        cut: true,
        tool_calls: [
          { tool_name: 'echo', arguments: '{}' },
          { tool_name: 'grep', arguments: '{"b' },
        ],
      },
    })
  })
})

describe('requests', () => {
  test('calls of several tasks get ids of their own, and broken arguments are wrapped', async () => {
    const { baseUrl, bodies } = await streaming([delta({ content: 'ok' }, 'stop')])
    const messages = [...round('{}'), ...round('{"a')]
    await createOpenAiModel({ baseUrl })(request({ messages }))
    expect(bodies[0]?.messages).toMatchObject([
      { content: null, tool_calls: [{ id: 'call00001', function: { arguments: '{}' } }] },
      { tool_call_id: 'call00001', content: 'result of {}' },
      { tool_calls: [{ id: 'call00002', function: { arguments: '{"invalid_json":"{\\"a"}' } }] },
      { tool_call_id: 'call00002' },
    ])
  })

  test('parameters an endpoint refuses are given up one by one, once per model', async () => {
    const { baseUrl, bodies } = await rawEndpoint((body, response) => {
      const refused = ['max_tokens', 'temperature', 'stream_options'].find((name) => name in body)
      const code = refused === 'temperature' ? 'unsupported_value' : 'unsupported_parameter'
      if (refused) return refuse(response, 400, { error: { message: 'no', code, param: refused } })
      sse(response, delta({ content: 'ok' }, 'stop'), '[DONE]')
      response.end()
    })
    const model = createOpenAiModel({ baseUrl, temperature: 0 })
    for (let calls = 1; calls <= 3; calls++) {
      const failure = { kind: 'unsupported', code: 'unsupported_parameter', unbilled: true }
      expect(await model(request())).toMatchObject({ ok: false, failure })
      expect(bodies, 'a request for each call').toHaveLength(calls)
    }
    expect((await model(request())).ok).toBe(true)
    expect(bodies).toHaveLength(4)
    expect(bodies[3]).toMatchObject({ max_completion_tokens: 100 })
    expect((await model(request())).ok).toBe(true)
    expect(bodies).toHaveLength(5)
  })

  test('a parameter we cannot do without is a rejection', async () => {
    const body = { error: { message: 'no tools here', code: 'unsupported_parameter', param: 'tools' } }
    expect(await failureOf(400, body)).toMatchObject({
      kind: 'rejected',
      message: '400 no tools here',
      calls: 1,
    })
  })

  test('no key is needed, and tools are left out when there are none', async () => {
    const { baseUrl, bodies } = await streaming([delta({ content: 'ok' }, 'stop')])
    expect((await createOpenAiModel({ baseUrl })(request({ tools: [] }))).ok).toBe(true)
    expect(bodies[0]).not.toHaveProperty('tools')
    expect(bodies[0]).not.toHaveProperty('tool_choice')
  })
})
