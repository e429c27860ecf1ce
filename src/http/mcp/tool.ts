/** A tool of the MCP server: schemas, what it does, and how that looks in the protocol. */
import {
  type CallToolResult,
  type Tool,
  type ToolAnnotations,
  ToolSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import type { Event } from '../../schemas/event.ts'
import type { TaskService } from '../../tasks/service.ts'
import type { TraceContext } from '../../tracing.ts'
import { checked } from '../body.ts'
import type { TaskOrders } from '../task-orders.ts'

export const TaskId = z.string().min(1).max(200).describe('As submit_task or list_tasks named it: task-…')

export interface ToolDeps {
  tasks: TaskService
  orders: TaskOrders
  /** Answers waiting callers when this process leaves. */
  stopping?: AbortSignal
}

export interface CallContext {
  requestId: string
  /** Of the request. */
  trace: TraceContext | undefined
  /** Aborts when nobody waits for the result any more: the client went, or cancelled the call. */
  signal: AbortSignal
  /** Sends a progress notification; absent when the client asked for none. */
  onEvent?: (event: Event) => void
}

export interface McpTool {
  listing: Tool
  /** Throws as the routes do: `InvalidRequest` for bad arguments, `Problem`, `RedisUnavailable`. */
  call: (args: object, context: CallContext) => Promise<CallToolResult>
}

export const defineTool = <Input extends z.ZodObject, Output extends z.ZodObject>(tool: {
  name: string
  title: string
  description: string
  input: Input
  output: Output
  annotations: ToolAnnotations
  run: (input: z.output<Input>, context: CallContext) => Promise<z.input<Output>>
}): McpTool => ({
  listing: ToolSchema.parse({
    name: tool.name,
    title: tool.title,
    description: tool.description,
    inputSchema: jsonSchema(tool.input),
    outputSchema: jsonSchema(tool.output),
    annotations: tool.annotations,
  }),
  async call(args, context) {
    const result = await tool.run(checked(tool.input, args), context)
    // As text too: for clients, and models, that do not look at structured content.
    return { content: [{ type: 'text', text: JSON.stringify(result) }], structuredContent: result }
  },
})

// Draft 7 is what every client's validator knows. As input, so that a client which keeps the schema of an
// output still takes the fields that a later release adds.
const jsonSchema = (schema: z.ZodObject) => z.toJSONSchema(schema, { target: 'draft-7', io: 'input' })
