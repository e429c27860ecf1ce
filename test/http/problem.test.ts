import { describe, expect, test } from 'vitest'
import { InvalidRequest, RedisUnavailable } from '../../src/errors.ts'
import { bareApp, problemIn, SECRET } from './support.ts'

const failing = (error: unknown) => {
  const bare = bareApp()
  bare.app.get('/fails/:id', () => {
    throw error
  })
  return bare
}

describe('problems', () => {
  test('an invalid request is 400 with the code and the fields it names', async () => {
    const { app } = failing(
      new InvalidRequest('unknown_preset', 'known: a, b', [{ path: 'x', message: 'y' }]),
    )
    const problem = await problemIn(await app.request('/fails/1'))
    expect(problem).toMatchObject({ status: 400, code: 'unknown_preset' })
    expect(problem).toMatchObject({ detail: 'known: a, b', errors: [{ path: 'x', message: 'y' }] })
  })

  test('Redis away is 503 with Retry-After and says how to repeat', async () => {
    const { app, log } = failing(new RedisUnavailable())
    const answer = await app.request('/fails/1')
    expect(answer.headers.get('Retry-After')).toMatch(/^\d+$/)
    const problem = await problemIn(answer)
    expect(problem).toMatchObject({ status: 503, code: 'redis_unavailable' })
    expect(problem.detail).toContain('Idempotency-Key')
    expect(log.lines).toMatchObject([{ level: 'info', fields: { status: 503, route: '/fails/:id' } }])
  })

  test('the unexpected is 500 without a word of its cause, which is logged under the request id', async () => {
    const { app, log } = failing(new Error(`boom at ${SECRET}`))
    const problem = await problemIn(await app.request('/fails/1'))
    expect(problem).toMatchObject({ status: 500, code: 'internal_error' })
    expect(JSON.stringify(problem)).not.toMatch(/boom|\.ts/)
    expect(log.lines[0]).toMatchObject({
      level: 'error',
      fields: { request_id: problem.request_id, err: { message: `boom at ${SECRET}` } },
    })
  })

  test('secrets are masked in details and fields', async () => {
    const { app } = failing(new InvalidRequest('bad', SECRET, [{ path: SECRET, message: SECRET }]))
    expect(await (await app.request('/fails/1')).text()).not.toContain(SECRET)
  })

  test('an unknown route is 404', async () => {
    const { app } = bareApp()
    expect(await problemIn(await app.request('/nowhere'))).toMatchObject({
      status: 404,
      code: 'route_not_found',
    })
  })

  test('a known path with another method is 405 and tells the allowed ones', async () => {
    const { app } = bareApp()
    app.get('/things/:id', (c) => c.json({})).delete('/things/:id', (c) => c.json({}))
    const answer = await app.request('/things/1', { method: 'PUT' })
    expect(answer.headers.get('Allow')).toBe('DELETE, GET, HEAD, OPTIONS')
    expect(await problemIn(answer)).toMatchObject({ status: 405, code: 'method_not_allowed' })
    const options = await app.request('/things/1', { method: 'OPTIONS' })
    expect([options.status, options.headers.get('Allow')]).toEqual([204, 'DELETE, GET, HEAD, OPTIONS'])
    expect(await problemIn(await app.request('/other', { method: 'OPTIONS' }))).toMatchObject({
      status: 404,
      code: 'route_not_found',
    })
  })

  test('HEAD answers as GET does, without the body', async () => {
    const { app } = bareApp()
    app.get('/things', (c) => c.json([1]))
    const answer = await app.request('/things', { method: 'HEAD' })
    expect([answer.status, await answer.text()]).toEqual([200, ''])
    expect(answer.headers.get('X-Request-Id')).toBeTruthy()
  })
})

describe('every answer', () => {
  test('carries the request id: the given one when well formed, else a new one', async () => {
    const { app } = bareApp()
    app.get('/ok', (c) => c.text('ok')).get('/own', () => new Response('own'))
    const ask = async (path: string, id?: string) => {
      const answer = await app.request(path, id === undefined ? {} : { headers: { 'X-Request-Id': id } })
      return answer.headers.get('X-Request-Id')
    }
    expect(await ask('/ok', 'my-id.1_A')).toBe('my-id.1_A')
    expect(await ask('/own', 'mine')).toBe('mine')
    expect(await ask('/nowhere', 'mine')).toBe('mine')
    for (const bad of ['', 'a b', 'x'.repeat(129), 'a/b'])
      expect(await ask('/ok', bad)).toMatch(/^[0-9a-f-]{36}$/)
    expect(await ask('/ok')).not.toBe(await ask('/ok'))
  })

  test('is not to be stored or sniffed, unless its handler says otherwise', async () => {
    const { app } = bareApp()
    app.get('/ok', (c) => c.text('ok'))
    app.get('/own', () => new Response('own', { headers: { 'Cache-Control': 'no-cache' } }))
    const headers = async (path: string) => {
      const answer = await app.request(path)
      return [answer.headers.get('Cache-Control'), answer.headers.get('X-Content-Type-Options')]
    }
    expect(await headers('/ok')).toEqual(['no-store', 'nosniff'])
    expect(await headers('/own')).toEqual(['no-cache', 'nosniff'])
    expect(await headers('/nowhere')).toEqual(['no-store', 'nosniff'])
  })

  test('is logged at debug and counted by route pattern', async () => {
    const { app, log, metrics } = bareApp()
    app.get('/things/all', (c) => c.text('all')).get('/things/:id', (c) => c.text('one'))
    await app.request('/things/all')
    await app.request('/things/17')
    await app.request('/things/18', { method: 'PATCH' })
    expect(log.lines.map(({ level, fields }) => [level, fields.method, fields.route, fields.status])).toEqual(
      [
        ['debug', 'GET', '/things/all', 200],
        ['debug', 'GET', '/things/:id', 200],
        ['debug', 'PATCH', 'unmatched', 405],
      ],
    )
    const { text } = await metrics.render()
    expect(text).toContain('alex_http_requests_total{method="GET",route="/things/:id",status="200"} 1')
    expect(text).toContain('alex_http_request_duration_seconds_count{method="GET",route="/things/all"} 1')
    expect(text).not.toContain('things/17')
  })
})
