/** A task's events as lines for a person. */
import type { StreamEvent } from '../client/client.ts'
import { duration, money, oneLine, paint, printable, type Style } from './output.ts'
import type { Screen } from './screen.ts'

const ARGUMENTS_WIDTH = 120

/** Remembers what was said already, so that text which arrives in pieces and again as a whole appears once. */
export const createRenderer = (screen: Screen) => {
  let said = ''
  const calls = new Map<string, string>()
  const colour = (style: Style, text: string) => paint(style, text, process.stderr)
  const dim = (text: string) => screen.note(colour('dim', printable(text)))
  const latestCall = () => [...calls.values()].at(-1) ?? 'thinking'

  const renderText = (event: Extract<StreamEvent, { event_type: 'assistant_message' }>) => {
    if (event.offset < said.length) {
      screen.endLine()
      said = ''
    }
    if (event.offset !== said.length) return
    said += event.delta
    screen.speak(printable(event.delta))
  }

  /** On a terminal the spinner tells of a call while it runs, and one line when it has ended. */
  const renderCall = (
    event: Extract<StreamEvent, { event_type: 'tool_call_start' | 'tool_call_complete' }>,
  ) => {
    if (event.event_type === 'tool_call_start') {
      const what = `${printable(event.tool_name)} ${describeArguments(event.arguments)}`
      calls.set(event.call_id, what)
      screen.status(what)
      if (!screen.moves) screen.note(`${colour('cyan', '→')} ${what}`)
      return
    }
    const what = screen.moves ? (calls.get(event.call_id) ?? event.tool_name) : event.tool_name
    calls.delete(event.call_id)
    screen.status(latestCall())
    const mark = event.error === undefined ? colour('green', '✓') : colour('red', '✗')
    const why = event.error === undefined ? '' : ` ${oneLine(event.error)}`
    screen.note(`${mark} ${printable(what)} ${colour('dim', duration(event.duration))}${why}`)
  }

  const render = (event: StreamEvent): void => {
    switch (event.event_type) {
      case 'task_queued':
        screen.status('waiting for a worker')
        if ((event.position ?? 1) > 1) dim(`waiting: number ${event.position} in its session`)
        return
      case 'task_started':
        said = ''
        screen.status('thinking')
        return dim(`started on ${event.worker}`)
      case 'task_resumed':
        return dim(`resumed on ${event.worker} at iteration ${event.from_iteration} (${event.reason})`)
      case 'iteration_start':
        said = ''
        calls.clear()
        screen.status('thinking')
        return dim(`iteration ${event.iteration} of at most ${event.max_iterations}`)
      case 'assistant_message':
        return renderText(event)
      case 'think_complete':
        if (event.content.startsWith(said)) screen.speak(printable(event.content.slice(said.length)))
        said = event.content
        return screen.endLine()
      case 'tool_call_start':
      case 'tool_call_complete':
        return renderCall(event)
      case 'error': {
        const next = event.retry_in_ms === undefined ? '' : `, again in ${duration(event.retry_in_ms)}`
        return screen.note(colour('yellow', `! ${event.phase}: ${printable(event.message)}${next}`))
      }
      case 'context_compression':
        return dim(`context compressed from ${event.tokens_before} to ${event.tokens_after} tokens`)
      case 'log_truncated':
        return dim('what came before is no longer kept')
      case 'tool_call_stream':
      case 'model_call_start':
      case 'model_call_end':
      case 'iteration_complete':
        return
      case 'task_complete':
        screen.status('')
        return screen.note(colour('green', `completed${totals(event)}`))
      case 'task_failed':
        screen.status('')
        return screen.note(colour('red', `failed: ${printable(event.error.message)}${totals(event)}`))
      case 'task_cancelled':
        screen.status('')
        return screen.note(colour('yellow', `cancelled: ${printable(event.reason)}${totals(event)}`))
    }
  }
  return { render, /** What was last said in full. */ said: () => said }
}

const describeArguments = (value: unknown): string => {
  const text =
    typeof value === 'object' && value !== null
      ? Object.entries(value)
          .map(([name, each]) => `${name}=${JSON.stringify(each)}`)
          .join(' ')
      : String(value)
  return oneLine(text, ARGUMENTS_WIDTH)
}

const totals = (event: {
  total_iterations: number
  total_tokens: number
  cost_usd?: number | undefined
  duration: number
}) => {
  const cost = money(event.cost_usd)
  const counts = [`${event.total_iterations} iterations`, `${event.total_tokens} tokens`]
  return [``, duration(event.duration), ...counts, ...(cost === '' ? [] : [cost])].join(' · ')
}
