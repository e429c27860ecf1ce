/**
 * ALEX as an MCP server over Streamable HTTP, without a memory: every request is answered by a server of its own,
 * so any API process can answer any of them, and one that is killed takes nothing with it but its open answers.
 * Who may ask is decided before, as for every route.
 */
import { randomUUID } from 'node:crypto'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js'
import { Hono } from 'hono'
import { z } from 'zod'
import { readBody } from '../body.ts'
import { noQuery } from '../query.ts'
import type { ApiEnv } from '../request-id.ts'
import { createMcpServers, type McpDeps } from './mcp-server.ts'

export type { McpDeps }

const SESSION = 'Mcp-Session-Id'
const Message = z.looseObject({})

export const mcpRoutes = (deps: McpDeps): Hono<ApiEnv> => {
  const createServer = createMcpServers(deps)
  return new Hono<ApiEnv>().post('/mcp', async (c) => {
    noQuery(c)
    const parsedBody = await readBody(c, Message)
    const server = createServer({ ...c.var, client: clientOf(c.req.header(SESSION)) })
    const transport = new WebStandardStreamableHTTPServerTransport()
    await server.connect(transport)
    // Aborts what the request still does; nobody reads its answer.
    c.req.raw.signal.addEventListener('abort', () => void server.close(), { once: true })
    const answer = await transport.handleRequest(c.req.raw, { parsedBody })
    // A name, not a session: it only tells this client's calls from those of others when one is cancelled.
    if (isInitializeRequest(parsedBody) && answer.ok) answer.headers.set(SESSION, randomUUID())
    return answer
  })
}

const clientOf = (sent: string | undefined): string | undefined =>
  sent !== undefined && /^[\w-]{1,128}$/.test(sent) ? sent : undefined
