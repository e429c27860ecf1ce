/** One message of a client, answered. */
import { randomUUID } from 'node:crypto'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js'
import { type Asked, createMcpServers, type McpDeps } from './mcp-server.ts'

/** `session`: the name of a client that has just come. */
export type McpAnswer = (
  request: Request,
  message: object,
  asked: Asked,
) => Promise<{ answer: Response; session?: string }>

export const createMcpAnswer = (deps: McpDeps): McpAnswer => {
  const createServer = createMcpServers(deps)
  return async (request, message, asked) => {
    const server = createServer(asked)
    const transport = new WebStandardStreamableHTTPServerTransport()
    await server.connect(transport)
    // Aborts what the request still does; nobody reads its answer.
    request.signal.addEventListener('abort', () => void server.close(), { once: true })
    const answer = await transport.handleRequest(request, { parsedBody: message })
    // A name, not a session: it only tells this client's calls from those of others when one is cancelled.
    return isInitializeRequest(message) && answer.ok ? { answer, session: randomUUID() } : { answer }
  }
}
