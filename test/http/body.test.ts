import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { MAX_BODY_BYTES, readBody } from '../../src/http/body.ts'
import { bareApp, problemIn } from './support.ts'

const Body = z.strictObject({
  task: z.string(),
  count: z.number().int().max(9).optional(),
  tags: z.record(z.string(), z.string()).optional(),
})

const echo = () => {
  const { app } = bareApp()
  app.post('/echo', async (c) => c.json(await readBody(c, Body)))
  app.post('/optional', async (c) => c.json(await readBody(c, Body.partial(), { optional: true })))
  return app
}

const post = (body: Uint8Array | string | null, type: string | null = 'application/json', path = '/echo') => {
  // A string body makes fetch add text/plain; bytes have no type of their own.
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  const headers: Record<string, string> = type === null ? {} : { 'Content-Type': type }
  return echo().request(path, { method: 'POST', body: bytes, headers })
}

const VALID = '{"task":"look around"}'

describe('content types', () => {
  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'APPLICATION/JSON',
    'application/vnd.alex.v1+json',
    'application/x-www-form-urlencoded',
    null,
  ])('%s carries JSON', async (type) => {
    const answer = await post(VALID, type)
    expect([answer.status, await answer.json()]).toEqual([200, { task: 'look around' }])
  })

  test.each([
    'text/plain',
    'application/xml',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'json',
  ])('%s is 415', async (type) => {
    expect(await problemIn(await post(VALID, type))).toMatchObject({
      status: 415,
      code: 'unsupported_media_type',
    })
  })

  test('a real form is 415, broken JSON sent as one is 400', async () => {
    const form = 'application/x-www-form-urlencoded'
    expect(await problemIn(await post('task=look', form))).toMatchObject({
      status: 415,
      code: 'unsupported_media_type',
    })
    expect(await problemIn(await post('{"task": look}', form))).toMatchObject({
      status: 400,
      code: 'invalid_json',
    })
  })

  test('a compressed body is 415', async () => {
    const answer = await echo().request('/echo', {
      method: 'POST',
      body: VALID,
      headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' },
    })
    expect(await problemIn(answer)).toMatchObject({ status: 415, code: 'unsupported_media_type' })
  })
})

describe('broken JSON', () => {
  test.each([
    ['{"task": look}', 9],
    [`{"task": "${'x'.repeat(100)}" oops}`, 112],
    ['{"task": "look"', 15],
    ['{task: 1}', 1],
    ['{"task": "look",}', 16],
    ['{"task": 1}}', 11],
    ['{"task": -}', 10],
    ['{"task": "\\x"}', 11],
  ])('%j stops making sense at %d', async (body, position) => {
    const { detail, code } = await problemIn(await post(body))
    expect(code).toBe('invalid_json')
    expect(detail).toContain(`position ${position} `)
  })

  test('the line and column are told', async () => {
    const { detail, code } = await problemIn(await post('{\n  "task": look\n}'))
    expect(code).toBe('invalid_json')
    expect(detail).toContain('line 2 column 11')
  })

  test('nothing, and what is not UTF-8, is no JSON', async () => {
    expect(await problemIn(await post(''))).toMatchObject({ status: 400, code: 'invalid_json' })
    expect(await problemIn(await post(' \n'))).toMatchObject({ status: 400, code: 'invalid_json' })
    expect(await problemIn(await post(null, null))).toMatchObject({ status: 400, code: 'invalid_json' })
    expect(await problemIn(await post(new Uint8Array([123, 0xff, 125])))).toMatchObject({
      status: 400,
      code: 'invalid_json',
    })
  })

  test('a body of nothing but brackets is refused, however deep', async () => {
    expect(await problemIn(await post('['.repeat(500_000)))).toMatchObject({
      status: 400,
      code: 'invalid_json',
    })
    expect(await problemIn(await post('['.repeat(400_000) + ']'.repeat(400_000)))).toMatchObject({
      status: 400,
      code: 'invalid_request',
    })
  })
})

describe('the schema', () => {
  test.each(['[]', '"task"', '1', 'null', 'true'])('%s is not an object', async (body) => {
    expect(await problemIn(await post(body))).toMatchObject({ status: 400, code: 'invalid_request' })
  })

  test('every wrong field is named, unknown ones too', async () => {
    const problem = await problemIn(await post('{"count":10,"a":1,"b":2,"tags":{"x":1}}'))
    expect(problem).toMatchObject({ status: 400, code: 'invalid_request' })
    expect(problem.errors?.map(({ path }) => path).toSorted()).toEqual(['a', 'b', 'count', 'tags.x', 'task'])
    expect(problem.errors).toContainEqual({ path: 'a', message: 'unknown field' })
    expect(problem.errors).toContainEqual({ path: 'task', message: 'required' })
  })

  test('__proto__ is a field like any other: unknown', async () => {
    for (const [body, path] of [
      ['{"task":"x","__proto__":{"count":1}}', '__proto__'],
      ['{"task":"x","\\u005f_proto__":{"count":1}}', '__proto__'],
      ['{"task":"x","tags":{"__proto__":"y"}}', 'tags.__proto__'],
    ] as const) {
      const problem = await problemIn(await post(body))
      expect(problem).toMatchObject({ status: 400, code: 'invalid_request' })
      expect(problem.errors).toEqual([{ path, message: 'unknown field' }])
    }
    expect({}).not.toHaveProperty('count')
  })

  test('a thousand unknown fields make a short answer', async () => {
    const fields = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`field${i}`, 1]))
    const problem = await problemIn(await post(JSON.stringify(fields)))
    expect(problem).toMatchObject({ status: 400, code: 'invalid_request' })
    expect(problem.errors?.length).toBeLessThanOrEqual(50)
    expect(problem.detail.length).toBeLessThan(300)
  })
})

describe('an optional body', () => {
  test.each([null, 'application/json', 'application/x-www-form-urlencoded', 'text/plain'])(
    'may be empty, whatever its type (%s)',
    async (type) => {
      const answer = await post('', type, '/optional')
      expect([answer.status, await answer.json()]).toEqual([200, {}])
    },
  )

  test('is judged when it is there', async () => {
    expect(await (await post(VALID, 'application/json', '/optional')).json()).toEqual({ task: 'look around' })
    expect(await problemIn(await post('{"x":1}', 'application/json', '/optional'))).toMatchObject({
      status: 400,
      code: 'invalid_request',
    })
  })
})

const sized = (bytes: number) => `{"task":"${'x'.repeat(bytes - 11)}"}`

describe('size', () => {
  test('1 MiB passes, one byte more is 413', async () => {
    expect((await post(sized(MAX_BODY_BYTES))).status).toBe(200)
    expect(await problemIn(await post(sized(MAX_BODY_BYTES + 1)))).toMatchObject({
      status: 413,
      code: 'body_too_large',
    })
  })
})
