import { expect, test } from 'vitest'
import { createOpenAiModel } from '../../src/agent/openai-model.ts'
import { answerOf, delta, failureOf, rawEndpoint, refuse, request, sse, streaming } from './endpoint.ts'

const error = (fields: object) => ({ error: { message: 'what happened', ...fields } })

const cases: [string, number, unknown, object][] = [
  ['401', 401, error({ code: 'invalid_api_key' }), { kind: 'rejected', code: 'unauthorized' }],
  ['401 with a type that says otherwise', 401, error({ type: 'server_error' }), { code: 'unauthorized' }],
  ['403', 403, error({}), { kind: 'rejected', code: 'forbidden' }],
  ['404', 404, error({ code: 'model_not_found' }), { kind: 'rejected', code: 'not_found' }],
  ['400', 400, error({}), { kind: 'rejected', code: 'bad_request', message: '400 what happened' }],
  ['429', 429, error({}), { kind: 'overloaded', code: 'rate_limited' }],
  ['an exhausted quota', 429, error({ code: 'insufficient_quota' }), { kind: 'rejected' }],
  ['500', 500, error({}), { kind: 'overloaded', code: 'server_error' }],
  ['503', 503, 'busy', { kind: 'overloaded', code: 'overloaded', message: '503 busy' }],
  ['a full context by code', 400, error({ code: 'context_length_exceeded' }), { kind: 'context_overflow' }],
  ['a full context by type', 400, error({ type: 'exceed_context_size_error' }), { kind: 'context_overflow' }],
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
  ['an error object in the stream', [delta({ content: 'a' }), error({ code: 'server_error' })], 'overloaded'],
  ['a rate limit in the stream', [error({ code: 'rate_limit_exceeded' })], 'overloaded'],
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
  const { baseUrl, closed } = await rawEndpoint((_, response) => sse(response, delta({ content: 'so far' })))
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
