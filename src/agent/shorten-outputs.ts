/** Makes a request that did not fit smaller: old tool outputs shrink, every call keeps its result. */
import type { ChatMessage } from './model.ts'

/** Characters that stay of a shortened output. */
const KEEP_CHARS = 400

/**
 * Shortens tool outputs, oldest first, until about half of the characters are left.
 * Returns null when there is nothing worth shortening.
 */
export const shortenOutputs = (messages: readonly ChatMessage[]): ChatMessage[] | null => {
  const total = messages.reduce((sum, message) => sum + sizeOf(message), 0)
  let excess = Math.ceil(total / 2)
  let changed = false
  const shorter = messages.map((message) => {
    if (excess <= 0 || message.role !== 'tool' || message.content.length <= 2 * KEEP_CHARS) return message
    const content = shorten(message.content)
    excess -= message.content.length - content.length
    changed = true
    return { ...message, content }
  })
  return changed ? shorter : null
}

const shorten = (text: string) =>
  `${text.slice(0, KEEP_CHARS)}\n[${text.length - KEEP_CHARS} characters removed to fit the context]`

const sizeOf = (message: ChatMessage): number => {
  const calls = message.role === 'assistant' ? (message.tool_calls ?? []) : []
  return message.content.length + calls.reduce((sum, call) => sum + call.arguments.length, 0)
}
