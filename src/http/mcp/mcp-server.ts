import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  type CallToolResult,
  CancelledNotificationSchema,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
  type ProgressToken,
  type RequestId,
  type ServerNotification,
} from '@modelcontextprotocol/sdk/types.js'
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv-provider.js'
import type { Log } from '../../log.ts'
import type { Event } from '../../schemas/event.ts'
import type { CancelledCalls } from '../../tasks/cancelled-calls.ts'
import type { TaskService } from '../../tasks/service.ts'
import type { TraceContext } from '../../tracing.ts'
import { bodyOf, problemOf } from '../problem.ts'
import { createTaskOrders } from '../task-orders.ts'
import { progressMessage } from './progress-message.ts'
import { createTools } from './tools.ts'

export interface McpDeps {
  tasks: TaskService
  cancelledCalls: CancelledCalls
  redact: (text: string) => string
  log: Log
  version: string
  /** Answers waiting callers when this process leaves. */
  stopping?: AbortSignal
}

export interface Asked {
  requestId: string
  trace?: TraceContext
  /** Names the client among all; absent when it does not say. Its calls cannot be cancelled then. */
  client: string | undefined
}

const INSTRUCTIONS =
  'ALEX carries out tasks with LLM agents, durably: once submit_task has answered, the task goes on whatever happens to you, this connection or the machine it runs on. Submit, then call wait_for_task, again while ended is false. Errors are problem documents with a stable code.'

/** Makes the server of one HTTP request. The SDK's `McpServer` would word the errors of bad arguments its own way. */
export const createMcpServers = (deps: McpDeps) => {
  const { cancelledCalls, redact, log, version } = deps
  const tools = createTools({ ...deps, orders: createTaskOrders(deps) })
  const byName = new Map(tools.map((tool) => [tool.listing.name, tool]))
  const listing = { tools: tools.map((tool) => tool.listing) }
  // One for all: making it takes far longer than all the rest of a server.
  const jsonSchemaValidator = new AjvJsonSchemaValidator()

  return ({ requestId, trace, client }: Asked): Server => {
    const server = new Server(
      { name: 'alex', title: 'ALEX', version },
      { capabilities: { tools: {} }, instructions: INSTRUCTIONS, jsonSchemaValidator },
    )
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK's server is no event target
    server.onerror = (error) => log.debug({ request_id: requestId, err: error.message }, 'mcp')

    server.setRequestHandler(ListToolsRequestSchema, () => listing)

    server.setRequestHandler(CallToolRequestSchema, async ({ params }, call) => {
      const tool = byName.get(params.name)
      if (!tool) throw new McpError(ErrorCode.InvalidParams, `unknown tool: ${params.name.slice(0, 200)}`)
      const stop = client === undefined ? () => {} : listenForCancel(client, call.requestId, server)
      const { _meta: meta } = call
      const token = meta?.progressToken
      try {
        return await tool.call(params.arguments ?? {}, {
          requestId,
          trace,
          signal: call.signal,
          ...(token !== undefined && { onEvent: progressOf(token, (told) => call.sendNotification(told)) }),
        })
      } catch (error) {
        return failure(error)
      } finally {
        stop()
      }
    })

    // The call it names is open in another request, maybe in another process.
    server.setNotificationHandler(CancelledNotificationSchema, async ({ params }) => {
      if (client === undefined || params.requestId === undefined) return
      await cancelledCalls.tell(nameOf(client, params.requestId))
    })
    return server

    function failure(error: unknown): CallToolResult {
      const problem = problemOf(error)
      if (problem.status === 500) log.error({ request_id: requestId, err: error }, 'request failed')
      const text = JSON.stringify(bodyOf(problem, redact, requestId))
      return { isError: true, content: [{ type: 'text', text }] }
    }
  }

  /** Closing aborts the call and ends its stream without an answer, as the protocol wants it. */
  function listenForCancel(client: string, id: RequestId, server: Server): () => void {
    return cancelledCalls.listen(nameOf(client, id), () => void server.close())
  }
}

/** An id may be a number or a text that looks like one. */
const nameOf = (client: string, id: RequestId): string => `${client} ${JSON.stringify(id)}`

const progressOf = (token: ProgressToken, send: (told: ServerNotification) => Promise<void>) => {
  let progress = 0
  return (event: Event): void => {
    progress += 1
    const params = { progressToken: token, progress, message: progressMessage(event) }
    // A client that has gone is noticed by the call itself.
    send({ method: 'notifications/progress', params }).catch(() => {})
  }
}
