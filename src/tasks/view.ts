/** The one function through which events leave for clients, mirrors and application logs: redacted and capped. */
import type { Event, EventPlace, LogEvent } from '../schemas/event.ts'

/** Characters of one text field a client is sent. */
const CAP = 16_000

export type EventView = EventPlace & { event_type: LogEvent['event_type'] } & Record<string, unknown>

export const createView = (redact: (text: string) => string) => {
  const clean = (value: unknown): unknown => {
    if (typeof value === 'string') return cap(redact(value))
    if (Array.isArray(value)) return value.map(clean)
    if (value !== null && typeof value === 'object')
      return Object.fromEntries(Object.entries(value).map(([name, inner]) => [redact(name), clean(inner)]))
    return value
  }
  return (event: Event): EventView => {
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
      case 'iteration_complete':
        return { ...event }
    }
  }
}
export type View = ReturnType<typeof createView>

const cap = (text: string): string => {
  if (text.length <= CAP) return text
  const half = CAP / 2
  return `${text.slice(0, half)}\n… ${text.length - CAP} characters cut …\n${text.slice(-half)}`
}
