/** The one function through which events leave for clients, mirrors and application logs: redacted and capped. */
import type { Event, EventPlace, ForeignEvent, LogEvent } from '../schemas/event.ts'
import type { DurableEvent } from '../schemas/stream.ts'

/** Characters of one text field a client is sent. */
const CAP = 16_000

/** Of a release that this one cannot read; clients pass over it. */
type ForeignView = EventPlace & { event_type: string } & Record<string, unknown>
export type EventView = DurableEvent | ForeignView

export const createView = (redact: (text: string) => string) => {
  const clean = maskedBy((text) => cap(redact(text)), redact)
  const foreignView = ({ type, payload, ...place }: EventPlace & ForeignEvent): ForeignView => {
    const shown = clean(payload)
    return { ...(typeof shown === 'object' ? shown : {}), ...place, event_type: type }
  }
  const knownView = (event: EventPlace & LogEvent): DurableEvent => {
    switch (event.event_type) {
      case 'think_complete': {
        const { tool_calls, ...rest } = event
        return { ...rest, content: cap(redact(event.content)), tool_call_count: tool_calls.length }
      }
      case 'tool_call_start':
        return { ...event, arguments: clean(event.arguments) }
      case 'tool_call_complete': {
        const result = redact(event.result)
        return {
          ...event,
          result: cap(result),
          ...(event.error === undefined ? {} : { error: redact(event.error) }),
          ...(result.length > CAP ? { truncated: true } : {}),
        }
      }
      case 'task_queued':
        return { ...event, task: cap(redact(event.task)) }
      case 'context_compression': {
        const { compression, ...counts } = event
        const text = compression.summary?.text
        return { ...counts, ...(text === undefined ? {} : { summary: cap(redact(text)) }) }
      }
      case 'error':
        return { ...event, message: redact(event.message) }
      case 'task_complete':
        return { ...event, final_answer: redact(event.final_answer) }
      case 'task_failed':
        return {
          ...event,
          error: { ...event.error, message: redact(event.error.message) },
          ...(event.partial_answer === undefined ? {} : { partial_answer: redact(event.partial_answer) }),
        }
      case 'task_cancelled':
        return { ...event, reason: redact(event.reason) }
      case 'task_started':
      case 'task_resumed':
      case 'iteration_start':
      case 'model_call_start':
      case 'model_call_end':
      case 'iteration_complete':
        return { ...event }
    }
  }
  return (event: Event): EventView => (event.event_type === 'foreign' ? foreignView(event) : knownView(event))
}
export type View = ReturnType<typeof createView>

/**
 * What a mirror holds: secrets masked, everything else whole, so that the session can be restored from it.
 * Of a record what is no text of a person or a model stays as it is, whatever it looks like.
 */
export const createMirrorView = (redact: (text: string) => string) => {
  const clean = maskedBy(redact, redact)
  return {
    text: redact,
    /** An entry's payload, or the todos. */
    payload: clean,
    record: (fields: Readonly<Record<string, string>>): Record<string, string> =>
      Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [name, PLACES.has(name) ? value : redact(value)]),
      ),
  }
}
export type MirrorView = ReturnType<typeof createMirrorView>

/** Record fields that say where a task stands; a mask in one of them would break it. */
const PLACES = new Set([
  'id',
  'session_id',
  'parent_task_id',
  'status',
  'activation',
  'worker',
  'append_by',
  'append_ids',
  'released_by',
  'delegated_by',
  'children',
  'ended_by',
  'woke',
  'log_from',
  'end_id',
])

/** The same structure with every text and every name in it changed. */
const maskedBy = (text: (text: string) => string, name: (name: string) => string) => {
  const clean = (value: unknown): unknown => {
    if (typeof value === 'string') return text(value)
    if (Array.isArray(value)) return value.map(clean)
    if (value !== null && typeof value === 'object')
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [name(key), clean(inner)]))
    return value
  }
  return clean
}

const cap = (text: string): string => {
  if (text.length <= CAP) return text
  const half = CAP / 2
  return `${text.slice(0, half)}\n… ${text.length - CAP} characters cut …\n${text.slice(-half)}`
}
