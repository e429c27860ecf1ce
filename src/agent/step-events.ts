/** The durable events of the loop, one function each. */
import type { Effect, LogEvent, ToolCall } from '../schemas/event.ts'
import { type AgentTask, DRAINED } from './agent.ts'
import { INTERRUPTED, NOT_RUN, STOPPED } from './fold.ts'
import type { RetryOutcome } from './model-retry.ts'
import type { NextStep, ResumePoint } from './resume-point.ts'
import { lostCall } from './spending.ts'
import type { ToolOutput } from './tools/tool.ts'

/**
 * Opens an activation. What started in the one that was lost and is unsafe to repeat gets its result here, and a
 * model call without an outcome the one it must be taken to have had.
 */
export const openingEvents = (
  task: AgentTask,
  { started, iteration, next, openModelCalls }: ResumePoint,
  tools: { allowed: string[]; denied: string[] },
): LogEvent[] => {
  const { worker, attempt, resume_reason: reason } = task
  if (!started) return [{ event_type: 'task_started', worker, attempt, tools }]
  const open = next.kind === 'tools' ? next.open : []
  const lost = open.filter((call) => call.effect === 'write' || call.effect === 'external')
  return [
    { event_type: 'task_resumed', worker, attempt, from_iteration: iteration, reason },
    ...openModelCalls.map(lostCall),
    ...lost.map((call) => resultEvent(call, { content: INTERRUPTED, error: 'interrupted' }, 0, true)),
  ]
}

/** A task that ends gives each open call a result; one that goes on elsewhere leaves them to its next activation. */
export const closingEvents = (next: NextStep, reason: unknown): LogEvent[] =>
  next.kind === 'tools' && reason !== DRAINED
    ? next.open.map((call) => {
        const content = call.effect === undefined ? NOT_RUN : STOPPED
        return resultEvent(call, { content, error: 'cancelled' }, 0)
      })
    : []

/** `last`: calls a model makes although it was told not to are dropped, there is no iteration to run them in. */
export const thinkEvent = (
  outcome: Extract<RetryOutcome, { kind: 'answer' }>,
  iteration: number,
  last: boolean,
): LogEvent => ({
  event_type: 'think_complete',
  call: outcome.call,
  iteration,
  content: outcome.answer.content,
  tool_calls: (last ? [] : outcome.answer.tool_calls).map((call, index) => ({
    ...call,
    call_id: `${iteration}.${index + 1}`,
  })),
  model: outcome.answer.model,
  usage: outcome.answer.usage,
  ...(outcome.cost_usd !== undefined && { cost_usd: outcome.cost_usd }),
  ...(outcome.estimated_cost_usd !== undefined && { estimated_cost_usd: outcome.estimated_cost_usd }),
  duration: outcome.durationMs,
  ...(outcome.budgetCut && { budget_cut: true }),
})

export const startEvent = (
  call: ToolCall,
  iteration: number,
  effect: Effect,
): Extract<LogEvent, { event_type: 'tool_call_start' }> => ({
  event_type: 'tool_call_start',
  iteration,
  call_id: call.call_id,
  tool_name: call.tool_name,
  arguments: parsed(call.arguments),
  effect,
})

export const resultEvent = (
  call: ToolCall,
  output: ToolOutput,
  durationMs: number,
  interrupted = false,
): LogEvent => ({
  event_type: 'tool_call_complete',
  call_id: call.call_id,
  tool_name: call.tool_name,
  result: output.content,
  ...(output.truncated && { truncated: true }),
  ...(output.error !== undefined && { error: output.error }),
  ...(interrupted && { interrupted: true }),
  duration: durationMs,
})

export const completeEvent = ({ iteration, current }: ResumePoint): LogEvent => ({
  event_type: 'iteration_complete',
  iteration,
  tokens_used: current.tokens,
  tools_run: current.tools,
  ...(current.cost_usd === undefined ? {} : { cost_usd: current.cost_usd }),
})

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
