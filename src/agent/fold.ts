/**
 * The conversation as a fold over a session's log: the same events give the same messages, live and resumed.
 * Call ids are unique within a task only; whoever sends messages of several tasks makes them unique.
 */
import type { Event, LoggedEvent, ToolCall } from '../schemas/event.ts'
import { type Block, compressed } from './context-compression.ts'
import type { ChatMessage } from './model.ts'

/** What an empty answer leaves in the conversation. */
export const NUDGE =
  'Your last answer was empty. Call a tool, or write your final answer to the task as plain text.'

/** Closes the request of the last call of a task that used up its iterations; not part of the log. */
export const FINAL_REQUEST =
  'You have used all your iterations and can call no more tools. Write your final answer now: what you did and ' +
  'found, and what remains to be done.'

export const INTERRUPTED =
  'interrupted: the worker was lost while this ran; it may or may not have taken effect; check before repeating'
export const NOT_RUN = 'cancelled: the task was stopped before this call ran; it had no effect'
export const STOPPED =
  'cancelled: the task was stopped while this ran; it may or may not have taken effect; check before repeating'

export const isBlank = (answer: { content: string; tool_calls: readonly ToolCall[] }): boolean =>
  answer.content.trim() === '' && answer.tool_calls.length === 0

/** The session's earlier tasks, in the order they started. A child sees none: it knows only its own task. */
export const foldTranscript = (history: readonly Event[], taskId: string): ChatMessage[] =>
  messagesOf(transcriptBlocks(history, taskId))

/** One task's part: its text, then each answer followed by a result for every one of its calls. */
export const foldTask = (events: readonly LoggedEvent[]): ChatMessage[] => messagesOf(taskBlocks(events, ''))

export const messagesOf = (blocks: readonly Block[]): ChatMessage[] =>
  blocks.flatMap((block) => block.messages)

export const transcriptBlocks = (history: readonly Event[], taskId: string): Block[] => {
  if (history.some((event) => event.task_id === taskId && event.parent_task_id !== undefined)) return []
  const byTask = Map.groupBy(history, (event) => event.task_id)
  return startOrder(history, taskId).reduce<Block[]>(
    (blocks, earlier) => taskBlocks(byTask.get(earlier) ?? [], earlier, blocks),
    [],
  )
}

/** Goes on from `before`; a compression changes all that stands when it comes. */
export const taskBlocks = (
  events: readonly LoggedEvent[],
  taskId: string,
  before: readonly Block[] = [],
): Block[] => {
  const resultOf = resultsOf(events)
  let blocks = [...before]
  let answers = 0
  const add = (kind: Block['kind'], messages: ChatMessage[]) =>
    blocks.push({ task_id: taskId, answers, kind, messages })
  for (const event of events) {
    if (event.event_type === 'task_queued') add('task', [{ role: 'user', content: event.task }])
    if (event.event_type === 'think_complete') {
      answers += 1
      add('answer', answerMessages(event, resultOf))
    }
    if (event.event_type === 'context_compression') blocks = compressed(blocks, event.compression, taskId)
    const note = endNote(event)
    if (note !== null) add('note', [{ role: 'assistant', content: note }])
  }
  return blocks
}

const resultsOf = (events: readonly LoggedEvent[]) => {
  const results = new Map<string, string>()
  const started = new Set<string>()
  for (const event of events) {
    if (event.event_type === 'tool_call_start') started.add(event.call_id)
    // The first result stands, so that no later event changes what the model has already been shown.
    if (event.event_type === 'tool_call_complete' && !results.has(event.call_id))
      results.set(event.call_id, event.result)
  }
  return (call: ToolCall) => results.get(call.call_id) ?? (started.has(call.call_id) ? STOPPED : NOT_RUN)
}

const endNote = (event: LoggedEvent): string | null => {
  if (event.event_type === 'task_cancelled') return `[This task was cancelled: ${event.reason}]`
  if (event.event_type === 'task_failed') return `[This task failed: ${event.error.message}]`
  return null
}

const answerMessages = (
  answer: { content: string; tool_calls: ToolCall[] },
  resultOf: (call: ToolCall) => string,
): ChatMessage[] => {
  if (isBlank(answer)) return [{ role: 'user', content: NUDGE }]
  const { content, tool_calls } = answer
  if (tool_calls.length === 0) return [{ role: 'assistant', content }]
  return [
    { role: 'assistant', content, tool_calls },
    ...tool_calls.map((call) => ({
      role: 'tool' as const,
      call_id: call.call_id,
      content: resultOf(call),
    })),
  ]
}

/** Top-level tasks that started before this one did (all that started, when it has not). */
const startOrder = (history: readonly Event[], taskId: string): string[] => {
  const order = new Set<string>()
  for (const event of history) {
    if (event.event_type !== 'task_started' || event.parent_task_id !== undefined) continue
    if (event.task_id === taskId) break
    order.add(event.task_id)
  }
  return [...order]
}
