/** A task's events as lines for a person. */
import { stripVTControlCharacters, styleText } from 'node:util'
import type { Shown } from './follow.ts'

export interface Terminal {
  /** Progress. */
  note: (text: string) => void
  /** The model's words as they come; absent when nobody watches them come. */
  speak?: (text: string) => void
  /** Gets colours if it can show them. */
  stream: NodeJS.WriteStream
}

const ARGUMENTS_WIDTH = 120

/** Remembers what was said already, so that text which arrives in pieces and again as a whole appears once. */
export const createRenderer = ({ note, speak = () => {}, stream }: Terminal) => {
  let said = ''
  let midLine = false
  const paint = (style: Parameters<typeof styleText>[0], text: string) => styleText(style, text, { stream })

  const say = (text: string) => {
    const clean = printable(text)
    if (clean === '') return
    speak(clean)
    midLine = !clean.endsWith('\n')
  }
  const endLine = () => {
    if (midLine) speak('\n')
    midLine = false
  }
  const line = (text: string) => {
    endLine()
    note(`${text}\n`)
  }
  const dim = (text: string) => line(paint('dim', printable(text)))

  const render = (event: Shown): void => {
    switch (event.event_type) {
      case 'task_queued':
        if ((event.position ?? 1) > 1) dim(`waiting: number ${event.position} in its session`)
        return
      case 'task_started':
        return dim(`started on ${event.worker}`)
      case 'task_resumed':
        return dim(`resumed on ${event.worker} at iteration ${event.from_iteration} (${event.reason})`)
      case 'iteration_start':
        said = ''
        return dim(`iteration ${event.iteration} of at most ${event.max_iterations}`)
      case 'assistant_message':
        if (event.offset < said.length) {
          endLine()
          said = ''
        }
        if (event.offset === said.length) {
          said += event.delta
          say(event.delta)
        }
        return
      case 'think_complete':
        if (event.content.startsWith(said)) say(event.content.slice(said.length))
        said = event.content
        return endLine()
      case 'tool_call_start':
        return line(`${paint('cyan', `→ ${event.tool_name}`)} ${describeArguments(event.arguments)}`)
      case 'tool_call_complete': {
        const mark = event.error === undefined ? paint('green', '✓') : paint('red', '✗')
        const why = event.error === undefined ? '' : ` ${printable(event.error)}`
        return line(`  ${mark} ${event.tool_name} ${duration(event.duration)}${why}`)
      }
      case 'error': {
        const next = event.retry_in_ms === undefined ? '' : `, again in ${duration(event.retry_in_ms)}`
        return line(paint('yellow', `! ${event.phase}: ${printable(event.message)}${next}`))
      }
      case 'context_compression':
        return dim(`context compressed from ${event.tokens_before} to ${event.tokens_after} tokens`)
      case 'tool_call_stream':
      case 'model_call_start':
      case 'model_call_end':
      case 'iteration_complete':
        return
      case 'task_complete':
        return line(paint('green', `completed${totals(event)}`))
      case 'task_failed':
        return line(paint('red', `failed: ${printable(event.error.message)}${totals(event)}`))
      case 'task_cancelled':
        return line(paint('yellow', `cancelled: ${printable(event.reason)}${totals(event)}`))
    }
  }
  return { render, /** What was last said in full. */ said: () => said }
}

/** Model and tool text must not drive the terminal. */
export const printable = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- control characters are what is taken out
  stripVTControlCharacters(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '')

const describeArguments = (value: unknown): string => {
  const text =
    typeof value === 'object' && value !== null
      ? Object.entries(value)
          .map(([name, each]) => `${name}=${JSON.stringify(each)}`)
          .join(' ')
      : String(value)
  const flat = printable(text)
  return flat.length > ARGUMENTS_WIDTH ? `${flat.slice(0, ARGUMENTS_WIDTH)}…` : flat
}

const duration = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`)

const totals = (event: {
  total_iterations: number
  total_tokens: number
  cost_usd?: number | undefined
  duration: number
}) => {
  const parts = [
    duration(event.duration),
    `${event.total_iterations} iterations`,
    `${event.total_tokens} tokens`,
  ]
  if (event.cost_usd !== undefined) parts.push(`$${event.cost_usd.toFixed(4)}`)
  return ` · ${parts.join(' · ')}`
}
