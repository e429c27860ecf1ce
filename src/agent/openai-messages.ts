/** Requests in the wire format of chat completions. */
import type OpenAI from 'openai'
import type { ChatMessage, ModelRequest, ToolSpec } from './model.ts'

type WireMessage = OpenAI.Chat.ChatCompletionMessageParam
type WireRequest = OpenAI.Chat.ChatCompletionCreateParamsStreaming

/** What an endpoint turned out not to take; remembered per model, so that each is found out once. */
export interface Quirks {
  tokensParam: 'max_tokens' | 'max_completion_tokens'
  temperature: boolean
  streamOptions: boolean
}

export const wireRequest = (
  request: ModelRequest,
  quirks: Quirks,
  temperature: number | undefined,
): WireRequest => ({
  model: request.model,
  messages: wireMessages(request.messages),
  ...(request.tools.length > 0 && {
    tools: request.tools.map(wireTool),
    tool_choice: request.toolChoice,
  }),
  [quirks.tokensParam]: request.maxTokens,
  ...(quirks.temperature && temperature !== undefined && { temperature }),
  stream: true,
  ...(quirks.streamOptions && { stream_options: { include_usage: true } }),
})

const textOfTools = new WeakMap<readonly ToolSpec[], string>()

/** The request as JSON. The tools are most of it and the same from call to call: they are written once. */
export const wireText = (request: ModelRequest, quirks: Quirks, temperature: number | undefined): string => {
  const { tools, ...rest } = wireRequest(request, quirks, temperature)
  const text = JSON.stringify(rest)
  if (!tools) return text
  const known = textOfTools.get(request.tools) ?? JSON.stringify(tools)
  textOfTools.set(request.tools, known)
  return `${text.slice(0, -1)},"tools":${known}}`
}

/**
 * Our call ids repeat from task to task and contain a dot. On the wire they are numbered through, as nine letters
 * and digits, which every provider takes (some demand just that); a longer conversation keeps the ids of its
 * shorter self, so prompt caches hold.
 */
const wireMessages = (messages: readonly ChatMessage[]): WireMessage[] => {
  const ids = new Map<string, string>()
  let count = 0
  return messages.map((message): WireMessage => {
    if (message.role === 'tool') {
      const { call_id, content } = message
      return { role: 'tool', tool_call_id: ids.get(call_id) ?? call_id, content }
    }
    if (message.role !== 'assistant' || !message.tool_calls?.length)
      return { role: message.role, content: message.content }
    const tool_calls = message.tool_calls.map((call) => {
      count += 1
      const id = `call${String(count).padStart(5, '0')}`
      ids.set(call.call_id, id)
      const fn = { name: call.tool_name, arguments: wireArguments(call.arguments) }
      return { id, type: 'function' as const, function: fn }
    })
    return { role: 'assistant', content: message.content === '' ? null : message.content, tool_calls }
  })
}

/** Endpoints that parse past arguments refuse a whole conversation over a broken one: those go wrapped. */
const wireArguments = (text: string): string => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return text
  } catch {
    // wrapped below
  }
  return JSON.stringify({ invalid_json: text })
}

const wireTool = ({ name, description, parameters }: ToolSpec) => ({
  type: 'function' as const,
  function: { name, description, parameters },
})
