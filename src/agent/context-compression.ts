/** What a logged compression does to the conversation. The fold applies it, and so does who plans one. */
import type { Compression, ContextPosition } from '../schemas/event.ts'
import type { ChatMessage } from './model.ts'
import { capText } from './tools/output-cap.ts'

/** Messages that stay together: a task's text, an answer with the results of its calls, a note, a summary. */
export interface Block extends ContextPosition {
  kind: 'task' | 'answer' | 'note' | 'summary'
  messages: ChatMessage[]
}

/** Room for the line that names what was cut. */
const NOTICE_CHARS = 80

/**
 * `taskId`: whose compression it is; that task's text is never given up, only cut by `cap_texts`. What has left
 * the log meanwhile is not missed. Applied twice it is as applied once.
 */
export const compressed = (
  blocks: readonly Block[],
  { summary, shorten, cap_outputs, cap_texts }: Compression,
  taskId: string,
): Block[] => {
  let result = summary ? summarized(blocks, summary.to, summary.text, taskId) : [...blocks]
  if (shorten) {
    const end = endOf(result, shorten.to)
    const cut = cutOutputs((text) => firstOf(text, shorten.chars), shorten.chars)
    result = result.map((block, index) => (index < end ? withMessages(block, cut) : block))
  }
  if (cap_outputs !== undefined) {
    const cut = cutOutputs((text) => capped(text, cap_outputs), cap_outputs)
    result = result.map((block) => withMessages(block, cut))
  }
  if (cap_texts !== undefined) {
    const cut = (message: ChatMessage) => ({ ...message, content: capped(message.content, cap_texts) })
    result = result.map((block) => withMessages(block, cut))
  }
  return result
}

/** How many blocks a position covers, from the first. */
export const endOf = (blocks: readonly Block[], to: ContextPosition): number =>
  blocks.findLastIndex((block) => block.task_id === to.task_id && block.answers <= to.answers) + 1

/** A summary of earlier tasks stands before all else, one that covers steps of this task after its text. */
const summarized = (blocks: readonly Block[], to: ContextPosition, text: string, taskId: string): Block[] => {
  const end = endOf(blocks, to)
  const goal = blocks.slice(0, end).filter((block) => block.kind === 'task' && block.task_id === taskId)
  const summary: Block = { ...to, kind: 'summary', messages: [{ role: 'user', content: text }] }
  return [...goal, summary, ...blocks.slice(end)]
}

const withMessages = (block: Block, change: (message: ChatMessage) => ChatMessage): Block => ({
  ...block,
  messages: block.messages.map(change),
})

const cutOutputs =
  (cut: (text: string) => string, chars: number) =>
  (message: ChatMessage): ChatMessage => {
    if (message.role === 'tool') return { ...message, content: cut(message.content) }
    if (message.role !== 'assistant' || !message.tool_calls) return message
    const tool_calls = message.tool_calls.map((call) => ({
      ...call,
      arguments: cutArguments(call.arguments, cut, 3 * (chars + NOTICE_CHARS)),
    }))
    return { ...message, tool_calls }
  }

/** Arguments stay the JSON that they were, with shorter texts in it; when that is too long, its beginning alone. */
const cutArguments = (text: string, cut: (text: string) => string, most: number): string => {
  if (cut(text) === text) return text
  const shorter = JSON.stringify(cutStrings(parsed(text), cut))
  if (shorter.length <= most) return shorter
  // Without what JSON would write as six characters, so that it is short enough the next time.
  return JSON.stringify({ shortened: cut(text.toWellFormed().replaceAll(/\p{Cc}/gu, ' ')) })
}

const cutStrings = (value: unknown, cut: (text: string) => string): unknown => {
  if (typeof value === 'string') return cut(value)
  if (Array.isArray(value)) return value.map((each) => cutStrings(each, cut))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, cutStrings(each, cut)]))
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const firstOf = (text: string, chars: number): string =>
  text.length <= chars + NOTICE_CHARS
    ? text
    : `${text.slice(0, chars).replace(/[\uD800-\uDBFF]$/, '')}\n[${text.length - chars} characters removed to fit the context]`

const capped = (text: string, chars: number): string => capText(text, chars + NOTICE_CHARS).text
