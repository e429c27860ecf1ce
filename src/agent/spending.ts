/** What a task's model calls have used, read off its own events. */
import type { LogEvent, LoggedEvent, TokenUsage } from '../schemas/event.ts'
import { nanoOf, usdOf } from './prices.ts'

export type ModelCallStart = Extract<LogEvent, { event_type: 'model_call_start' }>

export interface Spending {
  /** Input and output of answered calls. */
  tokens: number
  /** Of answered calls whose price is known; absent when there is none. */
  cost_usd?: number
  /** Of calls that got no answer. */
  estimatedTokens: number
  /** Of these, and of answers without a usage. */
  estimatedCostUsd: number
  /** Calls without an outcome so far. */
  open: ModelCallStart[]
}

export const spendingOf = (events: readonly LoggedEvent[]): Spending => {
  const open = new Map<string, ModelCallStart>()
  const spending: Omit<Spending, 'open'> = { tokens: 0, estimatedTokens: 0, estimatedCostUsd: 0 }
  const answered = (usage: TokenUsage, cost: number | undefined) => {
    spending.tokens += tokensOf(usage)
    if (cost !== undefined) spending.cost_usd = addUsd(spending.cost_usd ?? 0, cost)
  }
  const estimated = (cost = 0) => {
    spending.estimatedCostUsd = addUsd(spending.estimatedCostUsd, cost)
  }
  for (const event of events) {
    if (event.event_type === 'model_call_start') open.set(event.call, event)
    if (event.event_type === 'think_complete') {
      answered(event.usage, event.cost_usd)
      estimated(event.estimated_cost_usd)
      if (event.call !== undefined) open.delete(event.call)
    }
    if (event.event_type === 'model_call_end') {
      open.delete(event.call)
      if (event.usage) answered(event.usage, event.cost_usd)
      if (event.estimated_usage) spending.estimatedTokens += tokensOf(event.estimated_usage)
      estimated(event.estimated_cost_usd)
    }
  }
  return { ...spending, open: [...open.values()] }
}

/** The outcome of a call whose worker was lost: what it was given counts; nothing is known of its answer. */
export const lostCall = (start: ModelCallStart): LogEvent => {
  const { call, iteration, model, estimated_input_tokens, estimated_cost_usd } = start
  return {
    event_type: 'model_call_end',
    call,
    iteration,
    model,
    outcome: 'lost',
    estimated_usage: { input_tokens: estimated_input_tokens, output_tokens: 0, cached_tokens: 0 },
    ...(estimated_cost_usd === undefined ? {} : { estimated_cost_usd }),
  }
}

const tokensOf = (usage: TokenUsage) => usage.input_tokens + usage.output_tokens

/** Sums of nano-USD are exact, sums of their fractions are not. */
const addUsd = (a: number, b: number) => usdOf(nanoOf(a) + nanoOf(b))
