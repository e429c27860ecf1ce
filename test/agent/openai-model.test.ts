import { describe, expect, test } from 'vitest'
import type { ModelRequest } from '../../src/agent/model.ts'
import { createOpenAiModel } from '../../src/agent/openai-model.ts'
import { delta, rawEndpoint, refuse, sse } from './endpoint.ts'

const request = (extra: Partial<ModelRequest> = {}): ModelRequest => ({
  model: 'm',
  messages: [{ role: 'user', content: 'hello there' }],
  tools: [{ name: 'echo', description: 'echoes', parameters: { type: 'object' } }],
  toolChoice: 'auto',
  maxTokens: 100,
  signal: new AbortController().signal,
  onDelta: () => {},
  ...extra,
})

/** An endpoint that streams these frames and ends the answer properly, or breaks the connection. */
const streaming = async (frames: unknown[], end: 'done' | 'eof' | 'break' = 'done') =>
  rawEndpoint((_, response) => {
    sse(response, ...frames, ...(end === 'done' ? ['[DONE]'] : []))
    if (end === 'break') response.write('', () => response.destroy())
    else response.end()
  })

const answerOf = async (frames: unknown[], end?: 'done' | 'eof' | 'break') => {
  const { baseUrl } = await streaming(frames, end)
  return createOpenAiModel({ baseUrl })(request())
}

const failureOf = async (status: number, body: unknown, headers?: Record<string, string>) => {
  const { baseUrl, bodies } = await rawEndpoint((_, response) => refuse(response, status, body, headers))
  const result = await createOpenAiModel({ baseUrl, apiKey: 'sk-very-secret' })(request())
  return { ...(result.ok ? {} : result.failure), calls: bodies.length }
}

const tool = (fields: object) => delta({ tool_calls: [fields] })

const round = (args: string) => [
  {
    role: 'assistant' as const,
    content: '',
    tool_calls: [{ call_id: '1.1', tool_name: 'echo', arguments: args }],
  },
  { role: 'tool' as const, call_id: '1.1', content: `result of ${args}` },
]

const error = (fields: object) => ({ error: { message: 'what happened', ...fields } })

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

  test('usage is estimated for an endpoint that gives none', async () => {
    const result = await answerOf([delta({ content: 'x'.repeat(400) }, 'stop')])
    expect(result).toMatchObject({ ok: true, answer: { usage: { output_tokens: 100, cached_tokens: 0 } } })
    expect(result.ok && result.answer.usage.input_tokens).toBeGreaterThan(10)
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

describe('failures', () => {
  const cases: [string, number, unknown, object][] = [
    ['401', 401, error({ code: 'invalid_api_key' }), { kind: 'rejected', code: 'unauthorized' }],
    ['403', 403, error({}), { kind: 'rejected', code: 'forbidden' }],
    ['404', 404, error({ code: 'model_not_found' }), { kind: 'rejected', code: 'not_found' }],
    ['400', 400, error({}), { kind: 'rejected', code: 'bad_request', message: '400 what happened' }],
    ['429', 429, error({}), { kind: 'overloaded', code: 'rate_limited' }],
    ['an exhausted quota', 429, error({ code: 'insufficient_quota' }), { kind: 'rejected' }],
    ['500', 500, error({}), { kind: 'overloaded', code: 'server_error' }],
    ['503', 503, 'busy', { kind: 'overloaded', code: 'overloaded', message: '503 busy' }],
    ['a full context by code', 400, error({ code: 'context_length_exceeded' }), { kind: 'context_overflow' }],
    [
      'a full context by type',
      400,
      error({ type: 'exceed_context_size_error' }),
      { kind: 'context_overflow' },
    ],
    ['413', 413, error({}), { kind: 'context_overflow' }],
    ['a text as error', 400, { error: 'just text' }, { message: '400 just text' }],
    ['a list of errors', 400, [error({})], { message: '400 what happened' }],
    ['a bare detail', 422, { detail: 'bad field' }, { kind: 'rejected', message: '422 bad field' }],
    ['an HTML page', 502, '<html><h1>oops</h1></html>', { kind: 'overloaded', message: '502 Bad Gateway' }],
    ['an empty body', 500, '', { message: '500 Internal Server Error' }],
  ]
  test.each(cases)('%s is classed by status and code', async (_, status, body, expected) => {
    expect(await failureOf(status, body)).toMatchObject({ ...expected, calls: 1 })
  })

  test.each([
    ['seconds', { 'retry-after': '3' }, 3_000],
    ['milliseconds', { 'retry-after-ms': '250', 'retry-after': '1' }, 250],
    ['a date in the past', { 'retry-after': 'Mon, 01 Jan 2024 00:00:00 GMT' }, 0],
  ])('Retry-After is read as %s', async (_, headers, retryAfterMs) => {
    expect(await failureOf(429, error({}), headers)).toMatchObject({ retryAfterMs })
  })

  test('a key the provider quotes does not reach the message', async () => {
    const quoting = { error: { message: 'Incorrect API key provided: sk-very-secret.' } }
    expect(await failureOf(401, quoting)).toMatchObject({
      message: '401 Incorrect API key provided: [api key].',
    })
  })

  test('a page where the API should be names the setting', async () => {
    const { baseUrl } = await rawEndpoint((_, response) =>
      refuse(response, 200, '<html></html>', { 'content-type': 'text/html' }),
    )
    expect(await createOpenAiModel({ baseUrl })(request())).toMatchObject({
      failure: { kind: 'rejected', code: 'not_an_api', message: expect.stringContaining('base_url') },
    })
  })

  test.each([
    [
      'an error object in the stream',
      [delta({ content: 'a' }), error({ code: 'server_error' })],
      'overloaded',
    ],
    ['an upstream status in the stream', [error({ code: 401 })], 'rejected'],
    ['malformed JSON', [delta({ content: 'a' }), '{"id": '], 'network'],
    ['a chunk that is none', ['null'], 'network'],
  ])('%s ends the answer', async (_, frames, kind) => {
    expect(await answerOf(frames)).toMatchObject({ ok: false, failure: { kind } })
  })

  test('a connection that breaks in the middle is a network failure', async () => {
    const result = await answerOf([delta({ content: 'half an' })], 'break')
    expect(result).toMatchObject({ ok: false, failure: { kind: 'network', code: 'connection_failed' } })
  })

  test('an end without finish reason or end mark is one too', async () => {
    const result = await answerOf([delta({ content: 'half an' })], 'eof')
    expect(result).toMatchObject({ ok: false, failure: { kind: 'network' } })
  })

  test('nobody listening is a network failure that names the address', async () => {
    const result = await createOpenAiModel({ baseUrl: 'http://127.0.0.1:1/v1' })(request())
    expect(result).toMatchObject({
      ok: false,
      failure: { kind: 'network', message: expect.stringMatching(/127.0.0.1|bad port/) },
    })
  })

  test('silence before or within the answer is a time-out, and closes the connection', async () => {
    for (const frames of [[], [delta({ content: 'half an' })]]) {
      const { baseUrl, closed } = await rawEndpoint((_, response) => {
        if (frames.length > 0) sse(response, ...frames)
      })
      const result = await createOpenAiModel({ baseUrl, idleTimeoutMs: 60 })(request())
      expect(result).toMatchObject({ ok: false, failure: { kind: 'timeout', code: 'idle_timeout' } })
      await closed[0]
    }
  })

  test('an abort closes the HTTP stream', async () => {
    const controller = new AbortController()
    const { baseUrl, closed } = await rawEndpoint((_, response) =>
      sse(response, delta({ content: 'so far' })),
    )
    const onDelta = () => controller.abort()
    const result = await createOpenAiModel({ baseUrl })(request({ signal: controller.signal, onDelta }))
    expect(result).toMatchObject({ ok: false, failure: { kind: 'aborted' } })
    await closed[0]
  })

  test('an aborted signal makes no call', async () => {
    const { baseUrl, bodies } = await streaming([])
    const result = await createOpenAiModel({ baseUrl })(request({ signal: AbortSignal.abort() }))
    expect(result).toMatchObject({ failure: { kind: 'aborted' } })
    expect(bodies).toEqual([])
  })
})
