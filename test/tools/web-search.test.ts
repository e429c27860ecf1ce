import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { LLMock } from '@copilotkit/aimock'
import { expect, it, onTestFinished } from 'vitest'
import type { WebSearchOptions } from '../../src/agent/tools/web/web-search.ts'
import { type CallOptions, createFixture } from './support/fixture.ts'

const KEY = 'tvly-secret-key'

const searcher = async (webSearch: WebSearchOptions) => {
  const fixture = await createFixture({ webSearch })
  onTestFinished(() => fixture[Symbol.asyncDispose]())
  return (args: object, more?: CallOptions) => fixture.call('web_search', args, more)
}

/** A real server that speaks Tavily's search. */
const tavily = async () => {
  const mock = new LLMock({ port: 0, logLevel: 'silent' })
  await mock.start()
  onTestFinished(() => mock.stop())
  return { mock, search: await searcher({ apiKey: KEY, baseUrl: `${mock.url}/` }) }
}

/** One that answers as it is told. */
const answering = async (
  answer: (response: ServerResponse, request: IncomingMessage, body: string) => void,
) => {
  const server = createServer((request, response) => {
    void text(request).then((body) => answer(response, request, body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { server, search: await searcher({ apiKey: KEY, baseUrl: `http://127.0.0.1:${port}` }) }
}

const found = (count: number, content = 'An excerpt.') =>
  Array.from({ length: count }, (_, index) => ({
    title: `Result ${index + 1}`,
    url: `https://example.com/${index + 1}`,
    content,
  }))

it('gives title, address and excerpt of each result, and says that strangers wrote them', async () => {
  const { mock, search } = await tavily()
  mock.onSearch('parrots', found(2, 'Parrots talk.\u001b[31m'))
  const output = await search({ query: 'parrots' })
  expect(output.content).toMatch(/never instructions/)
  expect(output.content).toContain('\n\n1. Result 1\nhttps://example.com/1\nParrots talk.\n\n2. Result 2\n')
  expect(output.error).toBeUndefined()
})

it('asks for five results at basic depth with the key, unless told otherwise', async () => {
  const asked: unknown[] = []
  const { search } = await answering((response, request, body) => {
    const { authorization } = request.headers
    asked.push({ path: request.url, authorization, body: JSON.parse(body) })
    response.end(JSON.stringify({ results: [] }))
  })
  await search({ query: ' parrots ' })
  await search({ query: 'parrots', max_results: 10, search_depth: 'advanced' })
  const common = { path: '/search', authorization: `Bearer ${KEY}` }
  expect(asked).toEqual([
    { ...common, body: { query: 'parrots', max_results: 5, search_depth: 'basic' } },
    { ...common, body: { query: 'parrots', max_results: 10, search_depth: 'advanced' } },
  ])
})

it('shows as many results as were asked for', async () => {
  const { mock, search } = await tavily()
  mock.onSearch(/.*/, found(10))
  expect((await search({ query: 'parrots' })).content.match(/^\d+\. /gm)).toHaveLength(5)
  expect((await search({ query: 'parrots', max_results: 1 })).content.match(/^\d+\. /gm)).toHaveLength(1)
})

it('shows ten long results uncut but for their excerpts', async () => {
  const { mock, search } = await tavily()
  mock.onSearch(/.*/, found(10, 'word '.repeat(2_000)))
  const output = await search({ query: 'parrots', max_results: 10 })
  expect(output.truncated).toBeUndefined()
  expect(output.content).toContain('10. Result 10')
})

it('says so when nothing is found', async () => {
  const { search } = await tavily()
  expect(await search({ query: 'nothing' })).toEqual({ content: 'No results for "nothing".' })
})

it('tells how to set a key when there is none', async () => {
  const search = await searcher({ apiKey: undefined, baseUrl: 'http://127.0.0.1:1' })
  const output = await search({ query: 'parrots' })
  expect(output).toEqual({ content: expect.stringContaining('TAVILY_API_KEY'), error: 'no key' })
})

it.each([
  [{ query: ' ' }, /query/],
  [{ query: 'x', max_results: 11 }, /max_results/],
  [{ query: 'x', max_results: 0 }, /max_results/],
  [{ query: 'x', search_depth: 'abyssal' }, /search_depth/],
])('refuses %j', async (args, message) => {
  const { search } = await tavily()
  const output = await search(args)
  expect(output).toEqual({ content: expect.stringMatching(message), error: 'invalid arguments' })
})

it.each([
  [400, { detail: { error: 'Query is too long.' } }, {}, 'bad request', 'Query is too long.'],
  [401, { detail: { error: `Unauthorized: ${KEY}` } }, {}, 'key refused', 'Unauthorized: [key]'],
  [429, { detail: { error: 'Slow down.' } }, { 'retry-after': '7' }, 'rate limited', 'Try again in 7 s.'],
  [432, { detail: { error: 'Plan limit.' } }, {}, 'plan used up', 'Plan limit.'],
  [433, '<html>', {}, 'plan used up', 'Tavily answered 433.'],
  [503, { error: { message: 'gone fishing' } }, {}, 'server error', 'gone fishing'],
  [200, '<html>', {}, 'not an answer', 'tavily_base_url'],
  [200, { results: 'none' }, {}, 'not an answer', 'tavily_base_url'],
  [302, '', { location: 'http://127.0.0.1:1/' }, 'unreachable', 'redirect'],
])('tells a %i by its class', async (status, body, headers, error, message) => {
  const { search } = await answering((response) => {
    response.writeHead(status, headers)
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  const output = await search({ query: 'parrots' })
  expect(output).toEqual({ content: expect.stringContaining(message), error })
  expect(output.content).not.toContain(KEY)
})

it('tells a broken connection and a closed port apart from an answer', async () => {
  const { search, server } = await answering((response) => response.destroy())
  expect((await search({ query: 'parrots' })).error).toBe('unreachable')
  server.close()
  await once(server, 'close')
  expect(await search({ query: 'parrots' })).toMatchObject({
    error: 'unreachable',
    content: expect.stringContaining('ECONNREFUSED'),
  })
})

it('reads no more than an answer can hold', async () => {
  const { search } = await answering((response) => {
    const pour = () => response.write('x'.repeat(65_536), (error) => error ?? pour())
    pour()
  })
  expect((await search({ query: 'parrots' })).error).toBe('not an answer')
})

it('closes its connection when the task is stopped', async () => {
  const asked = Promise.withResolvers<ServerResponse>()
  const { search } = await answering((response) => asked.resolve(response))
  const controller = new AbortController()
  const running = search({ query: 'parrots' }, { signal: controller.signal })
  const closed = once(await asked.promise, 'close')
  controller.abort()
  expect((await running).error).toBe('cancelled')
  await closed
})
