/** What the offline model's tool calls have brought so far, read off the conversation: the tools' own formats. */
import { z } from 'zod'
import type { ToolCall } from '../schemas/event.ts'
import { SUMMARY_START } from './context-summary.ts'
import { FINAL_REQUEST, NUDGE } from './fold.ts'
import type { ChatMessage } from './model.ts'

export interface ListedFile {
  path: string
  /** As the listing shows it, e.g. `1.2 kB`. */
  size: string
}

export interface Facts {
  files: ListedFile[]
  folders: string[]
  /** The listing ended before the workspace did. */
  listingCut: boolean
  /** Text without line numbers; `from`: its first line's number. */
  reads: { path: string; from: number; text: string }[]
  matches: { path: string; line: number; text: string }[]
  /** Commands and writes the task asked for, with what they returned. */
  done: { what: string; result: string }[]
  /** Calls that brought nothing, with what the tool said. */
  failures: { what: string; result: string }[]
}

export interface Round {
  call: ToolCall
  result: string
}

/** The text of the latest task, and the calls made for it since, by round. */
export const currentTask = (messages: readonly ChatMessage[]): { task: string; rounds: Round[][] } => {
  const start = messages.findLastIndex(isTask)
  const since = messages.slice(start + 1)
  const results = new Map(since.flatMap((m) => (m.role === 'tool' ? [[m.call_id, m.content] as const] : [])))
  const rounds = since.flatMap((message) => {
    if (message.role !== 'assistant' || !message.tool_calls?.length) return []
    return [message.tool_calls.map((call) => ({ call, result: results.get(call.call_id) ?? '' }))]
  })
  return { task: messages[start]?.content ?? '', rounds }
}

const isTask = (message: ChatMessage): boolean =>
  message.role === 'user' &&
  message.content !== NUDGE &&
  message.content !== FINAL_REQUEST &&
  !message.content.startsWith(SUMMARY_START)

export const noFacts = (): Facts => ({
  files: [],
  folders: [],
  listingCut: false,
  reads: [],
  matches: [],
  done: [],
  failures: [],
})

export const learn = (facts: Facts, { call, result }: Round): void => {
  const args = argumentsOf(call)
  const learned = LEARN[call.tool_name]?.(facts, args, result) ?? false
  if (!learned) facts.failures.push({ what: describe(call.tool_name, args), result: result.slice(0, 300) })
}

interface Arguments {
  path?: string | undefined
  pattern?: string | undefined
  command?: string | undefined
}
const Arguments = z.object({
  path: z.string().optional().catch(undefined),
  pattern: z.string().optional().catch(undefined),
  command: z.string().optional().catch(undefined),
})

const argumentsOf = (call: ToolCall): Arguments => {
  try {
    return Arguments.catch({}).parse(JSON.parse(call.arguments))
  } catch {
    return {}
  }
}

const describe = (tool: string, { path, pattern, command }: Arguments): string =>
  `${tool}${[command ?? pattern, path].flatMap((text) => (text === undefined ? [] : [` \`${text}\``])).join('')}`

/** Each says whether the result was what its tool gives when all went well. */
const LEARN: Record<string, (facts: Facts, args: Arguments, result: string) => boolean> = {
  list_files: (facts, _, result) => {
    for (const line of result.split('\n')) {
      const [, type, size = '', path] = /^(file|dir) +([\d.]+ ?[A-Za-z]+)? +(\S.*)$/.exec(line) ?? []
      if (path === undefined) continue
      if (type === 'dir') facts.folders.push(path)
      else facts.files.push({ path, size })
    }
    facts.listingCut ||= result.includes('\n[stopped ')
    return facts.files.length > 0 || facts.folders.length > 0 || result === '(nothing to list)'
  },
  file_read: (facts, { path }, result) => {
    const numbered = [...result.matchAll(/^ *(\d+)\t(.*)$/gm)]
    if (numbered.length === 0 || path === undefined) return false
    const text = numbered.map((match) => match[2] ?? '').join('\n')
    facts.reads.push({ path, from: Number(numbered[0]?.[1] ?? 1), text })
    return true
  },
  grep: (facts, _, result) => {
    const found = [...result.matchAll(/^([^:\n]+):(\d+):(.*)$/gm)]
    for (const [, path = '', line, text = ''] of found)
      facts.matches.push({ path, line: Number(line), text: text.trim().slice(0, 160) })
    return found.length > 0 || result === 'No matches.'
  },
  bash: (facts, args, result) => facts.done.push({ what: describe('bash', args), result }) > 0,
  file_write: (facts, args, result) => facts.done.push({ what: describe('file_write', args), result }) > 0,
}
