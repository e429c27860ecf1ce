import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { eventually } from '../support/processes.ts'
import { startServers } from './support.ts'

/** A server over HTTP whose sessions are lost with it. `headers`: of the last request. */
const startRemote = async (port: number) => {
  const sessions = new Map<string, StreamableHTTPServerTransport>()
  const seen = { authorization: '', slow: 0, deleted: 0 }
  const http = createServer((request, response) => void answer(request, response))
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    seen.authorization = request.headers.authorization ?? ''
    if (request.method === 'DELETE') seen.deleted += 1
    const id = request.headers['mcp-session-id']
    const known = typeof id === 'string' ? sessions.get(id) : undefined
    if (id !== undefined && known === undefined) return response.writeHead(404).end('no such session')
    const transport =
      known ??
      new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (session) => void sessions.set(session, transport),
      })
    if (known === undefined) {
      const server = new McpServer({ name: 'remote', version: '1.0.0' })
      server.registerTool('look', { annotations: { readOnlyHint: true } }, () => ({
        content: [{ type: 'text', text: 'seen from afar' }],
      }))
      server.registerTool('slow', {}, async () => {
        seen.slow += 1
        return new Promise(() => {})
      })
      await server.connect(transport)
    }
    await transport.handleRequest(request, response)
  }
  http.listen(port, '127.0.0.1')
  await once(http, 'listening')
  const stop = async () => {
    if (!http.listening) return
    http.closeAllConnections()
    http.close()
    await once(http, 'close')
  }
  onTestFinished(stop)
  return { seen, stop }
}

test('a server over HTTP gets its headers, and its session is ended with the worker', async () => {
  const port = await freePort()
  const { seen } = await startRemote(port)
  const { mcp, ready, call } = await startServers(
    { far: { url: `http://127.0.0.1:${port}/mcp`, headers: { Authorization: 'Bearer ${FAR_TOKEN}' } } },
    { variables: { FAR_TOKEN: 'far-away-4711' } },
  )
  await ready()
  expect(await call('mcp__far__look')).toEqual({ content: 'seen from afar' })
  expect(seen.authorization).toBe('Bearer far-away-4711')
  await mcp[Symbol.asyncDispose]()
  expect(seen.deleted).toBe(1)
})

test('a server over HTTP that is lost interrupts its call, is told of, and comes back', async () => {
  const port = await freePort()
  const first = await startRemote(port)
  const { mcp, ready, call, untilLogged } = await startServers({
    far: { url: `http://127.0.0.1:${port}/mcp` },
  })
  await ready()
  const calling = call('mcp__far__slow')
  await eventually(async () => first.seen.slow === 1)
  await first.stop()
  expect(await calling).toMatchObject({
    error: 'interrupted',
    content: expect.stringContaining('may or may not have taken effect'),
  })
  await untilLogged('far is not connected')
  expect(mcp.state().status).toBe('not_ready')
  await startRemote(port)
  await ready()
  expect(await call('mcp__far__look')).toEqual({ content: 'seen from afar' })
})

test('a server that was restarted between two calls knows no session, and gets a new one', async () => {
  const port = await freePort()
  const first = await startRemote(port)
  const { ready, call } = await startServers(
    { far: { url: `http://127.0.0.1:${port}/mcp` } },
    { timing: { pingMs: 200 } },
  )
  await ready()
  await first.stop()
  await startRemote(port)
  await eventually(async () => (await call('mcp__far__look')).error === undefined)
  expect(await call('mcp__far__look')).toEqual({ content: 'seen from afar' })
})
