import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { readBody } from '../../src/http/body.ts'
import { bareApp, listening, problemIn } from './support.ts'

const echo = (tokens: string[] = []) => {
  const { app } = bareApp({ tokens })
  app.post('/echo', async (c) => c.json(await readBody(c, z.strictObject({ task: z.string() }))))
  return listening(app)
}

const post = (url: string, body: Uint8Array | string | ReadableStream) =>
  fetch(`${url}/echo`, {
    method: 'POST',
    body,
    headers: { 'Content-Type': 'application/json' },
    duplex: 'half',
  })

const megabytes = (count: number) => Buffer.alloc(count * 1024 * 1024, 'x')

/** What the server answers to these bytes before it closes the connection. */
const raw = (port: number, bytes: string) => {
  const socket = connect(port, '127.0.0.1')
  socket.write(bytes)
  return text(socket)
}

test('a body of a known length is read', async () => {
  await using server = await echo()
  expect(await (await post(server.url, '{"task":"look"}')).json()).toEqual({ task: 'look' })
})

test('a body sent in chunks is read', async () => {
  await using server = await echo()
  const chunks = new Blob(['{"task":', '"look"}']).stream()
  expect(await (await post(server.url, chunks)).json()).toEqual({ task: 'look' })
})

test.each([2, 6, 30])('the sender of %d MB reads the 413', async (count) => {
  await using server = await echo()
  expect(await problemIn(await post(server.url, megabytes(count)))).toMatchObject({
    status: 413,
    code: 'body_too_large',
  })
})

test('so does the sender of 2 MB in chunks', async () => {
  await using server = await echo()
  expect(await problemIn(await post(server.url, new Blob([megabytes(2)]).stream()))).toMatchObject({
    status: 413,
    code: 'body_too_large',
  })
})

test('a large body to a route that reads none gets its answer too', async () => {
  await using server = await echo(['token'])
  expect(await problemIn(await post(server.url, megabytes(6)))).toMatchObject({
    status: 401,
    code: 'unauthorized',
  })
})

test('who announces a large body and never sends it is answered all the same', async () => {
  await using server = await echo()
  const answer = await raw(
    server.port,
    'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9000000\r\n\r\n' +
      'x'.repeat(1024 * 1024 + 1),
  )
  expect(answer).toMatch(/^HTTP\/1.1 413 /)
})

test.each([
  ['a line of nonsense', 'NONSENSE\r\n\r\n', 400],
  ['a Host that is none', 'GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', 400],
  ['too large a header', `GET / HTTP/1.1\r\nHost: h\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
])('%s is answered with a problem', async (_, bytes, status) => {
  await using server = await echo()
  const answer = await raw(server.port, bytes)
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(answer).toMatch(/content-type: application\/problem\+json/i)
  expect(answer).toMatch(/x-request-id: /i)
})

test('a wrong Host on the wire is refused', async () => {
  await using server = await echo()
  const answer = await raw(
    server.port,
    'GET /echo HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
  )
  expect(answer).toMatch(/^HTTP\/1.1 403 /)
  expect(answer).toContain('"code":"foreign_host"')
})

test('a handler that waits learns that its client has gone', async () => {
  const { app } = bareApp()
  const { promise: gone, resolve: leave } = Promise.withResolvers<void>()
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  app.get('/wait', async (c) => {
    c.req.raw.signal.addEventListener('abort', () => leave())
    ask()
    await gone
    return c.text('too late')
  })
  await using server = await listening(app)
  const client = new AbortController()
  const answer = fetch(`${server.url}/wait`, { signal: client.signal })
  await asked
  client.abort()
  await expect(answer).rejects.toThrow('aborted')
  await gone
})
