import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { linkNext } from '../../src/http/paging.ts'
import { noQuery, queryReader } from '../../src/http/query.ts'
import { PageQuery } from '../../src/schemas/request.ts'
import { bareApp, problemIn } from './support.ts'

const listing = () => {
  const { app } = bareApp()
  const read = queryReader(
    {
      ...PageQuery.shape,
      status: z.array(z.enum(['on', 'off'])).exactOptional(),
      q: z.string().exactOptional(),
    },
    { repeatable: ['status'] },
  )
  app.get('/list', (c) => {
    const query = read(c)
    linkNext(c, query.cursor === 'last' ? undefined : 'next one')
    return c.json(query)
  })
  app.get('/none', (c) => c.json(noQuery(c)))
  return app
}

describe('query parameters', () => {
  test('are read as the schema has them', async () => {
    const answer = await listing().request('/list?status=on&status=off&limit=7&q=a%20b')
    expect(await answer.json()).toEqual({ status: ['on', 'off'], limit: 7, q: 'a b' })
    expect(await (await listing().request('/list')).json()).toEqual({ limit: 1000 })
  })

  test.each([
    ['/list?limit=0', 'limit'],
    ['/list?limit=1001', 'limit'],
    ['/list?limit=ten', 'limit'],
    ['/list?limit=1.5', 'limit'],
    ['/list?limit=-1', 'limit'],
    ['/list?limit=', 'limit'],
    ['/list?limit=1&limit=2', 'limit'],
    ['/list?cursor=', 'cursor'],
    ['/list?status=on&status=up', 'status.1'],
    ['/list?page=2', 'page'],
    ['/list?__proto__=1', '__proto__'],
    ['/list?constructor=1', 'constructor'],
    ['/none?dry_run=true', 'dry_run'],
  ])('%s is refused, naming %s', async (path, field) => {
    const problem = await problemIn(await listing().request(path))
    expect(problem).toMatchObject({ status: 400, code: 'invalid_request' })
    expect(problem.errors?.map((error) => error.path)).toEqual([field])
  })

  test('a value outside a fixed set is told the known ones, an unknown parameter too', async () => {
    const { detail, code } = await problemIn(await listing().request('/list?status=up'))
    expect(code).toBe('invalid_request')
    expect(detail).toMatch(/on.*off/)
    const unknown = await problemIn(await listing().request('/list?page=2'))
    expect(unknown).toMatchObject({ status: 400, code: 'invalid_request' })
    expect(unknown.detail).toContain('limit, cursor, status, q')
  })
})

describe('Link', () => {
  test('keeps the rest of the query and replaces the cursor', async () => {
    const answer = await listing().request('/list?status=on&limit=7&status=off&cursor=old')
    const link = /^<(.*)>; rel="next"$/.exec(answer.headers.get('Link') ?? '')?.[1]
    const url = new URL(link ?? '')
    expect([url.origin, url.pathname]).toEqual(['http://localhost', '/list'])
    expect([...url.searchParams]).toEqual([
      ['status', 'on'],
      ['limit', '7'],
      ['status', 'off'],
      ['cursor', 'next one'],
    ])
  })

  test('is https behind a proxy that ends TLS', async () => {
    const answer = await listing().request('/list', { headers: { 'X-Forwarded-Proto': 'https' } })
    expect(answer.headers.get('Link')).toMatch(/^<https:/)
  })

  test('is absent on the last page', async () => {
    expect((await listing().request('/list?cursor=last')).headers.has('Link')).toBe(false)
  })
})
