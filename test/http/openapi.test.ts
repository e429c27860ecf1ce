/** The document tells the truth: it is valid, leaves no route out, and every example in it works as it says. */
import { Validator } from '@seriousme/openapi-schema-validator'
import { expect, test } from 'vitest'
import { EXAMPLE } from '../../src/http/openapi/parts.ts'
import { startApi } from '../support/api.ts'
import { apiDocument, expectDocumented, pointerTo } from '../support/documented.ts'
import { completed, queueTask } from '../support/sse.ts'

interface Parameter {
  in: string
  name: string
  schema: { example?: string | number | string[] }
}
interface Media {
  schema: object
  example?: unknown
  examples?: Record<string, { value: unknown }>
}
interface Described {
  parameters?: Parameter[]
  requestBody?: { required?: boolean; content: Record<string, Media> }
  responses: Record<string, { content?: Record<string, Media> }>
}

const operations = Object.entries(apiDocument.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation: operation as Described })),
)

/** Every request that the document gives as an example; those without a body once without. */
const requests = operations.flatMap(({ path, method, operation }) => {
  const name = `${method.toUpperCase()} ${path}`
  const media = operation.requestBody?.content['application/json']
  const bodies = [
    ...(media?.example === undefined ? [] : [media.example]),
    ...Object.values(media?.examples ?? {}).map(({ value }) => value),
  ]
  const all = operation.requestBody?.required === true ? bodies : [undefined, ...bodies]
  return all.map((body, i) => ({ name: `${name} ${i + 1}`, path, method, operation, body }))
})

const urlOf = (path: string, parameters: Parameter[] = []): string => {
  const query = new URLSearchParams()
  let filled = path
  for (const { in: place, name, schema } of parameters) {
    if (place === 'path') filled = filled.replace(`{${name}}`, String(schema.example))
    if (place !== 'query' || schema.example === undefined) continue
    for (const each of [schema.example].flat()) query.append(name, String(each))
  }
  return query.size === 0 ? filled : `${filled}?${query.toString()}`
}

const headersOf = (parameters: Parameter[] = []): Record<string, string> =>
  Object.fromEntries(
    parameters
      .filter(({ in: place, schema }) => place === 'header' && schema.example !== undefined)
      .map(({ name, schema }) => [name, String(schema.example)]),
  )

const namesOf = (value: unknown): string[] => Object.keys(value ?? {}).toSorted()

/** What the examples speak of: a session with a task that has ended and one whose turn it is. */
const startExample = async () => {
  const api = await startApi()
  const ended = await queueTask(api.store, EXAMPLE.session, 'Explain what this repository does', EXAMPLE.task)
  await ended.begin()
  await ended.finish(completed('It runs tasks.'))
  await queueTask(api.store, EXAMPLE.session, 'And its tests', EXAMPLE.nextTask)
  return api
}

test('the document is valid OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(apiDocument))
  expect(errors).toBeUndefined()
  expect(valid).toBe(true)
})

test('every route is in the document, and nothing else', async () => {
  await using api = await startApi()
  const routes = api.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method.toLowerCase()} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
    // What describes the API, and what shows it.
    .filter((route) => !/^get \/(docs.*|openapi\.json)$/.test(route))
    .filter((route) => !/^get \/(assets\/.*|favicon\.svg|tasks.*|sessions.*|fleet)?$/.test(route))
  expect([...new Set(routes)].toSorted()).toEqual(
    operations.map(({ path, method }) => `${method} ${path}`).toSorted(),
  )
})

test.for(requests)('$name works as it is given', async ({ path, method, operation, body }) => {
  await using api = await startExample()
  const ending = new AbortController()
  const answer = await api.request(urlOf(path, operation.parameters), {
    method: method.toUpperCase(),
    headers: {
      ...headersOf(operation.parameters),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: ending.signal,
  })
  // No worker is alive here, and two answers say so.
  const fine = ['/health', '/health/ready'].includes(path) ? [503] : [200, 201, 204]
  expect(fine).toContain(answer.status)
  const example = operation.responses[answer.status]?.content?.['application/json']?.example
  const got: unknown = example === undefined ? undefined : await answer.json()
  expect(namesOf(got)).toEqual(namesOf(example))
  ending.abort()
})

test('every answer that is given as an example is one', () => {
  let examples = 0
  for (const { path, method, operation } of operations) {
    for (const [status, { content = {} }] of Object.entries(operation.responses)) {
      for (const [type, { example }] of Object.entries(content)) {
        if (example === undefined) continue
        expectDocumented(
          pointerTo('paths', path, method, 'responses', status, 'content', type, 'schema'),
          example,
        )
        examples += 1
      }
    }
  }
  expect(examples).toBeGreaterThan(4)
})

test('the document and its viewer come from here alone, also before a token is given', async () => {
  await using api = await startApi({ tokens: ['open-sesame'] })
  const served = await api.request('/openapi.json')
  expect(await served.json()).toEqual(apiDocument)
  const page = await api.request('/docs')
  expect(page.headers.get('Content-Security-Policy')).toContain("default-src 'none'; script-src 'self'")
  const html = await page.text()
  const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link ?? '')
  expect(links).toHaveLength(4)
  for (const link of links) {
    const asset = await api.request(`/${link}`)
    expect([link, asset.status, (await asset.arrayBuffer()).byteLength > 100]).toEqual([link, 200, true])
  }
  expect((await api.request('/api/tasks')).status).toBe(401)
})

test('an answer with a field too many or too few would be found', () => {
  const place = '/components/schemas/TaskCreated'
  const answer = { task_id: 'task-1', session_id: 'demo', status: 'pending' }
  expectDocumented(place, answer)
  expect(() => expectDocumented(place, { ...answer, more: 1 })).toThrow('additional properties')
  expect(() => expectDocumented(place, { ...answer, status: undefined })).toThrow("'status'")
  const event = { event_type: 'iteration_start', iteration: 1, max_iterations: 2, id: '1-0', seq: 1 }
  const whole = { ...event, timestamp: '2026-01-01T00:00:00.000Z', session_id: 'demo', task_id: 'task-1' }
  expectDocumented('/components/schemas/DurableEvent', whole)
  expect(() => expectDocumented('/components/schemas/DurableEvent', { ...whole, more: 1 })).toThrow(
    'unevaluated',
  )
})
