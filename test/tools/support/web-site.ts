/** Real HTTP servers on loopback, and a `web_fetch` that may reach loopback: the one thing that only tests allow. */
import { once } from 'node:events'
import { createServer, Server as HttpServer, type RequestListener } from 'node:http'
import { Server as HttpsServer } from 'node:https'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Ask } from '../../../src/agent/ask.ts'
import { toolboxOf } from '../../../src/agent/tools/registry.ts'
import type { LoadOptions } from '../../../src/agent/tools/web/load-page.ts'
import { webFetchTool } from '../../../src/agent/tools/web/web-fetch.ts'
import type { Fixture } from './fixture.ts'

export const startSite = async (answer: RequestListener, address = '127.0.0.1') => {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    answer(request, response)
  })
  const { port } = await listen(server, address)
  return { port, url: `http://${address}:${port}`, requests, server }
}

/** For what no HTTP server would say. */
export const startTcp = async (serve: (socket: Socket) => void) => {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  const { port } = await listen(server)
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()))
  return { port, url: `http://127.0.0.1:${port}` }
}

/** Any server, on a free port until the test ends. */
export const listen = async (server: Server, address = '127.0.0.1'): Promise<{ port: number }> => {
  server.listen(0, address)
  await once(server, 'listening')
  onTestFinished(async () => {
    if (server instanceof HttpServer || server instanceof HttpsServer) server.closeAllConnections()
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    await closed
  })
  const bound = server.address()
  return { port: typeof bound === 'object' && bound !== null ? bound.port : 0 }
}

export const html =
  (body: string, head = ''): RequestListener =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    response.end(`<!doctype html><html><head>${head}</head><body>${body}</body></html>`)
  }

export interface FetcherOptions extends LoadOptions {
  ask?: Ask
}

let calls = 0

/** A `web_fetch` with a cache of its own. 127.0.0.1 is allowed unless `allow` says otherwise. */
export const createFetcher = (
  { context }: Fixture,
  { ask = context.ask, ...options }: FetcherOptions = {},
) => {
  const tool = webFetchTool({ allow: (address) => address === '127.0.0.1', ...options })
  const toolbox = toolboxOf([tool])
  return (
    url: string,
    { prompt, signal = context.signal }: { prompt?: string; signal?: AbortSignal } = {},
  ) => {
    const callKey = `web-test-${process.pid}-${(calls += 1)}`
    const args = JSON.stringify({ url, prompt })
    const call = { tool_name: 'web_fetch', arguments: args }
    return toolbox.execute(call, { ...context, ask, callKey, signal }, 'web-only')
  }
}
