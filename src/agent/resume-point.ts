/**
 * Where a task stands, read off its own events. The loop asks after every step, so a resumed task goes the way
 * an undisturbed one goes: there is no second code path to keep in agreement.
 */
import type { Effect, LogEvent, LoggedEvent, StopReason, ToolCall } from '../schemas/event.ts'
import { isBlank } from './fold.ts'
import { type ModelCallStart, spendingOf } from './spending.ts'

/** Empty answers in a row that are answered by a nudge; the next one fails the task. */
const MAX_NUDGES = 2

/** A call of the last answer that has no result yet; `effect` is there when it had started. */
export interface OpenCall extends ToolCall {
  effect?: Effect
}

export type NextStep =
  /** Ask the model. `last`: iterations are used up, it must answer in text. `logged`: iteration_start is there. */
  | { kind: 'think'; logged: boolean; last: boolean }
  | { kind: 'tools'; open: [OpenCall, ...OpenCall[]] }
  /** All of the iteration is done but its iteration_complete. */
  | { kind: 'close' }
  | {
      kind: 'answered'
      answer: string
      stop_reason: Extract<StopReason, 'final_answer' | 'max_iterations'>
      closed: boolean
    }
  | { kind: 'empty'; closed: boolean }
  /** The answer was cut off where the budget ended. */
  | { kind: 'cut'; closed: boolean }

export interface ResumePoint {
  /** `task_started` is logged: this is not the task's first activation. */
  started: boolean
  /** The iteration the next step belongs to. */
  iteration: number
  next: NextStep
  /** Empty answers in a row, up to now. */
  nudges: number
  /** The latest answer with text in it. */
  lastText?: string
  /** Of the whole task. `iterations`: begun ones; `tokens`: input and output; `toolCalls`: with a result. */
  totals: { iterations: number; tokens: number; toolCalls: number; cost_usd?: number }
  /** Of the iteration that is under way. */
  current: { tokens: number; tools: number; cost_usd?: number }
  /** Without an outcome. */
  openModelCalls: readonly ModelCallStart[]
}

type Answer = Extract<LogEvent, { event_type: 'think_complete' }>

interface Scan {
  started: boolean
  iteration: number
  answers: Answer[]
  closed: boolean
  nudges: number
  lastText?: string
  startedCalls: Map<string, Effect>
  doneCalls: Set<string>
}

/** `events`: this task's own, in order. */
export const resumePoint = (events: readonly LoggedEvent[], maxIterations: number): ResumePoint => {
  const scan = scanEvents(events)
  const next = nextStep(scan, maxIterations)
  const inNewIteration = next.kind === 'think' && !next.logged
  const begun = events.findLastIndex((event) => event.event_type === 'iteration_start')
  const all = spendingOf(events)
  const now = spendingOf(begun < 0 ? [] : events.slice(begun))
  return {
    started: scan.started,
    iteration: inNewIteration ? scan.iteration + 1 : scan.iteration,
    next,
    nudges: scan.nudges,
    ...(scan.lastText !== undefined && { lastText: scan.lastText }),
    totals: {
      iterations: scan.iteration,
      tokens: all.tokens,
      toolCalls: scan.doneCalls.size,
      ...(all.cost_usd !== undefined && { cost_usd: all.cost_usd }),
    },
    current: {
      tokens: now.tokens,
      tools: scan.answers.reduce((sum, answer) => sum + answer.tool_calls.length, 0),
      ...(now.cost_usd !== undefined && { cost_usd: now.cost_usd }),
    },
    openModelCalls: all.open,
  }
}

const nextStep = (scan: Scan, maxIterations: number): NextStep => {
  const { answers, closed } = scan
  const answer = answers.at(-1)
  if (!answer) return { kind: 'think', logged: scan.iteration > 0, last: false }
  if (answer.budget_cut && answer.tool_calls.length === 0) return { kind: 'cut', closed }
  if (answer.tool_calls.length === 0 && !isBlank(answer)) {
    // Only the last call of a task that used up its iterations is a second answer within one.
    const stop_reason = answers.length > 1 ? 'max_iterations' : 'final_answer'
    return { kind: 'answered', answer: answer.content, stop_reason, closed }
  }
  const [first, ...rest] = openCalls(answer, scan)
  if (first) return { kind: 'tools', open: [first, ...rest] }
  if (scan.nudges > MAX_NUDGES) return { kind: 'empty', closed }
  if (scan.iteration >= maxIterations) return { kind: 'think', logged: true, last: true }
  return closed ? { kind: 'think', logged: false, last: false } : { kind: 'close' }
}

const openCalls = (answer: Answer, { startedCalls, doneCalls }: Scan): OpenCall[] =>
  answer.tool_calls
    .filter((call) => !doneCalls.has(call.call_id))
    .map((call) => {
      const effect = startedCalls.get(call.call_id)
      return effect === undefined ? call : { ...call, effect }
    })

const scanEvents = (events: readonly LoggedEvent[]): Scan => {
  const scan: Scan = {
    started: false,
    iteration: 0,
    answers: [],
    closed: false,
    nudges: 0,
    startedCalls: new Map(),
    doneCalls: new Set(),
  }
  for (const event of events) {
    if (event.event_type === 'task_started') scan.started = true
    if (event.event_type === 'iteration_start')
      Object.assign(scan, { iteration: event.iteration, answers: [], closed: false })
    if (event.event_type === 'think_complete') addAnswer(scan, event)
    if (event.event_type === 'tool_call_start') scan.startedCalls.set(event.call_id, event.effect)
    if (event.event_type === 'tool_call_complete') scan.doneCalls.add(event.call_id)
    if (event.event_type === 'iteration_complete') scan.closed = true
  }
  return scan
}

const addAnswer = (scan: Scan, answer: Answer) => {
  scan.answers.push(answer)
  scan.nudges = isBlank(answer) ? scan.nudges + 1 : 0
  if (answer.content.trim() !== '') scan.lastText = answer.content
}
