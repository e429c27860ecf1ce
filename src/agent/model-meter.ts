/**
 * The one way to a model: whoever asks one for a task asks here. Every call has its start in the log before it is
 * made and its outcome after it, with what it used and cost, and none is made that could break the task's budget.
 */
import type { LogEvent, LoggedEvent, TaskError, TokenUsage } from '../schemas/event.ts'
import type { AgentTask, Budget } from './agent.ts'
import type { Model, ModelAnswer, ModelFailure, ModelRequest } from './model.ts'
import { type CostOf, nanoOf, type Prices, usdOf } from './prices.ts'
import { type Spending, spendingOf } from './spending.ts'
import { type Calibration, createEstimator, estimateInput, estimateText } from './tokens.ts'

export interface Meter {
  /**
   * `thinks`: the caller logs the answer as `think_complete` with this `call`, in the same turn; every other outcome
   * is logged here. Rejects with `LeaseLost` when the start could not be logged.
   */
  ask: (request: ModelRequest, options?: { thinks?: boolean }) => Promise<Metered>
  /** The part of what is left of the budget that each of so many children gets. */
  share: (children: number) => Budget
}

export type Metered =
  | {
      kind: 'answer'
      answer: ModelAnswer
      call: string
      cost_usd?: number
      /** In its place when the usage is our estimate. */
      estimated_cost_usd?: number
      budgetCut: boolean
    }
  | { kind: 'failed'; failure: ModelFailure }
  /** The call was not made: it could have cost more than is left. */
  | { kind: 'over_budget'; error: TaskError }

export interface MeterDeps {
  task: AgentTask
  /** The task's own events, those that are emitted included. */
  own: readonly LoggedEvent[]
  /** Those of its children that have ended: what they used is the task's. */
  children?: readonly LoggedEvent[]
  emit: (event: LogEvent) => void
  commit: () => Promise<void>
  model: Model
  prices: Prices
  /** What providers counted before corrects our estimates, but only upwards: a budget must hold. */
  calibration?: Calibration
}

/** Fewer tokens than this are no answer, unless the task asks for fewer. */
const USEFUL_TOKENS = 256

const ABORTED: ModelFailure = { kind: 'aborted', code: 'aborted', message: 'the call was aborted' }

/** One per activation. */
export const createMeter = (deps: MeterDeps): Meter => {
  const { task, own, children = [], emit, commit, model, prices, calibration } = deps
  const ofChildren = spendingOf(children)
  const spent = () => withChildren(spendingOf(own), ofChildren)
  const estimator = createEstimator()
  let made = 0

  return {
    async ask(request, { thinks = false } = {}) {
      const costOf = await prices.of(request.model)
      const input = Math.ceil(
        estimateInput(request, estimator) * Math.max(1, calibration?.ratio(request.model) ?? 1),
      )
      const room = roomFor(request, input, task, spent(), costOf)
      if ('error' in room) return { kind: 'over_budget', ...room }

      made += 1
      const call = `${task.attempt}.${made}`
      const place = { call, iteration: iterationOf(own), model: request.model }
      emit({
        event_type: 'model_call_start',
        ...place,
        estimated_input_tokens: input,
        ...costed('estimated_cost_usd', costOf, inputOnly(input)),
        max_tokens: room.maxTokens,
      })
      await commit()
      if (request.signal.aborted) {
        emit({ event_type: 'model_call_end', ...place, outcome: 'aborted' })
        return { kind: 'failed', failure: ABORTED }
      }

      let streamed = ''
      const onDelta = (text: string) => {
        streamed += text
        request.onDelta(text)
      }
      const result = await model({ ...request, maxTokens: room.maxTokens, onDelta })

      if (!result.ok) {
        const { failure } = result
        const outcome = failure.kind === 'aborted' ? 'aborted' : failure.unbilled ? 'refused' : 'broken'
        const usage = { ...inputOnly(input), output_tokens: estimateText(streamed) }
        emit({
          event_type: 'model_call_end',
          ...place,
          outcome,
          ...(outcome === 'refused'
            ? {}
            : { estimated_usage: usage, ...costed('estimated_cost_usd', costOf, usage) }),
        })
        return { kind: 'failed', failure }
      }
      const { answer } = result
      const costName = answer.usageEstimated ? 'estimated_cost_usd' : 'cost_usd'
      // Some names are only resolved by the endpoint (`auto`).
      const cost = costed(costName, costOf ?? (await prices.of(answer.model)), answer.usage)
      if (thinks && !request.signal.aborted) {
        const budgetCut = answer.cut && room.maxTokens < request.maxTokens
        return { kind: 'answer', answer, call, ...cost, budgetCut }
      }
      emit({ event_type: 'model_call_end', ...place, outcome: 'answered', usage: answer.usage, ...cost })
      if (request.signal.aborted) return { kind: 'failed', failure: ABORTED }
      return { kind: 'answer', answer, call, ...cost, budgetCut: false }
    },

    share(parts) {
      const { max_total_tokens, max_cost_usd } = task
      const { tokens, estimatedTokens, cost_usd = 0, estimatedCostUsd } = spent()
      const of = (left: number) => Math.max(1, Math.floor(left / parts))
      return {
        ...(max_total_tokens !== undefined && {
          max_total_tokens: of(max_total_tokens - tokens - estimatedTokens),
        }),
        ...(max_cost_usd !== undefined && {
          max_cost_usd: usdOf(of(nanoOf(max_cost_usd) - nanoOf(cost_usd) - nanoOf(estimatedCostUsd))),
        }),
      }
    },
  }
}

const withChildren = (own: Spending, children: Spending): Spending => ({
  tokens: own.tokens + children.tokens,
  cost_usd: usdOf(nanoOf(own.cost_usd ?? 0) + nanoOf(children.cost_usd ?? 0)),
  estimatedTokens: own.estimatedTokens + children.estimatedTokens,
  estimatedCostUsd: usdOf(nanoOf(own.estimatedCostUsd) + nanoOf(children.estimatedCostUsd)),
  open: own.open,
})

const inputOnly = (input_tokens: number): TokenUsage => ({ input_tokens, output_tokens: 0, cached_tokens: 0 })

const costed = <Name extends string>(
  name: Name,
  costOf: CostOf | null,
  usage: TokenUsage,
): Partial<Record<Name, number>> => {
  const cost: Partial<Record<string, number>> = costOf ? { [name]: usdOf(costOf(usage)) } : {}
  return cost
}

const iterationOf = (own: readonly LoggedEvent[]): number => {
  const start = own.findLast((event) => event.event_type === 'iteration_start')
  return start?.event_type === 'iteration_start' ? start.iteration : 0
}

/** How long the answer may be, so that the worst the call can cost is still within the budget. */
const roomFor = (
  { model, maxTokens: wanted }: ModelRequest,
  input: number,
  { max_total_tokens, max_cost_usd }: AgentTask,
  spent: Spending,
  costOf: CostOf | null,
): { maxTokens: number } | { error: TaskError } => {
  let maxTokens = wanted
  if (max_total_tokens !== undefined) {
    const underWay = spent.open.reduce((sum, call) => sum + call.estimated_input_tokens + call.max_tokens, 0)
    const used = spent.tokens + spent.estimatedTokens + underWay
    maxTokens = Math.min(maxTokens, max_total_tokens - used - input)
    if (isUseless(maxTokens, wanted))
      return exceeded(
        `${used} of ${max_total_tokens} tokens are used, and the next call takes about ${input} before its answer`,
      )
  }
  if (max_cost_usd !== undefined) {
    if (!costOf) {
      const message = `the task has max_cost_usd, and nobody knows what ${model} costs: name its price in \`prices\``
      return { error: { code: 'unknown_price', message } }
    }
    const costWith = (input_tokens: number, output_tokens: number) =>
      costOf({ input_tokens, output_tokens, cached_tokens: 0 })
    const underWay = spent.open.reduce(
      (sum, call) => sum + costWith(call.estimated_input_tokens, call.max_tokens),
      0,
    )
    const used = nanoOf(spent.cost_usd ?? 0) + nanoOf(spent.estimatedCostUsd) + underWay
    const left = nanoOf(max_cost_usd) - used - costWith(input, 0)
    const ofAnswer = costWith(input, maxTokens) - costWith(input, 0)
    // An answer's price is the same for each of its tokens.
    if (ofAnswer > left) maxTokens = Math.floor((left / ofAnswer) * maxTokens)
    if (isUseless(maxTokens, wanted) || left < 0)
      return exceeded(
        `$${usdOf(used)} of $${max_cost_usd} are spent, and the next call costs about $${usdOf(costWith(input, 0))} before its answer`,
      )
  }
  return { maxTokens }
}

const isUseless = (maxTokens: number, wanted: number) => maxTokens < Math.min(wanted, USEFUL_TOKENS)

const exceeded = (message: string): { error: TaskError } => ({ error: { code: 'budget_exceeded', message } })
