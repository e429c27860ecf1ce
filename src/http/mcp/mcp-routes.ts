/**
 * ALEX as an MCP server over Streamable HTTP, without a memory: every request is answered by a server of its own,
 * so any API process can answer any of them, and one that is killed takes nothing with it but its open answers.
 * Who may ask is decided before, as for every route.
 */
import { Hono } from 'hono'
import { z } from 'zod'
import { readBody } from '../body.ts'
import { noQuery } from '../query.ts'
import type { ApiEnv } from '../request-id.ts'
import type { McpAnswer } from './mcp-answer.ts'
import type { McpDeps } from './mcp-server.ts'

export type { McpDeps }

const SESSION = 'Mcp-Session-Id'
const Message = z.looseObject({})

export const mcpRoutes = (deps: McpDeps): Hono<ApiEnv> => {
  let answering: Promise<McpAnswer> | undefined
  // Many are never asked this way, and the SDK with its validator costs a start a hundred modules more.
  const load = async () => (await import('./mcp-answer.ts')).createMcpAnswer(deps)
  return new Hono<ApiEnv>().post('/mcp', async (c) => {
    noQuery(c)
    const message = await readBody(c, Message)
    answering ??= load()
    const { answer, session } = await (await answering)(c.req.raw, message, {
      ...c.var,
      client: clientOf(c.req.header(SESSION)),
    })
    if (session !== undefined) answer.headers.set(SESSION, session)
    return answer
  })
}

const clientOf = (sent: string | undefined): string | undefined =>
  sent !== undefined && /^[\w-]{1,128}$/.test(sent) ? sent : undefined
