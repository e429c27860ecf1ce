import { type Event, isTerminal } from '../../schemas/event.ts'

/** One event of a running task in a few words that carry nothing of what a model or a tool said. */
export const progressMessage = (event: Event): string => {
  if (isTerminal(event)) return event.event_type.replace('_', ' ')
  switch (event.event_type) {
    case 'iteration_start':
      return `iteration ${event.iteration} of at most ${event.max_iterations}`
    case 'tool_call_start':
      return `${event.tool_name} started`
    case 'tool_call_complete':
      return `${event.tool_name} ${event.error === undefined ? 'done' : 'failed'}`
    case 'think_complete':
      return event.tool_calls.length === 0 ? 'the model answered' : 'the model asks for tools'
    case 'error':
      return `${event.phase} error: ${event.code}${event.recoverable ? ', trying again' : ''}`
    case 'foreign':
      return event.type.replaceAll('_', ' ')
    default:
      return event.event_type.replaceAll('_', ' ')
  }
}
