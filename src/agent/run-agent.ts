/** The agent loop: one activation of a task, from its log to its answer. */
import type { LogEvent, LoggedEvent, TaskError } from '../schemas/event.ts'
import type { AgentDeps, AgentOutcome, AgentRun, AgentTask, AgentTotals } from './agent.ts'
import { createAsk } from './ask.ts'
import { createContext } from './context.ts'
import type { ChatMessage } from './model.ts'
import { createMeter, type Meter } from './model-meter.ts'
import { callModel, type RetryDeps, type RetryOutcome } from './model-retry.ts'
import { NO_PRICES, type Prices } from './prices.ts'
import { type OpenCall, type ResumePoint, resumePoint } from './resume-point.ts'
import { runDurable, toolsFor } from './run-durable.ts'
import { nextGroup, runGroup, type ToolRun } from './run-tools.ts'
import { closingEvents, completeEvent, openingEvents, startEvent, thinkEvent } from './step-events.ts'
import { createTextStream } from './text-stream.ts'

const ABORT_GRACE_MS = 5_000

const EMPTY_ANSWER = {
  code: 'empty_answer',
  message: 'The model kept giving empty answers, with neither text nor a tool call.',
}

const BUDGET_CUT = {
  code: 'budget_exceeded',
  message: 'the budget ended in the middle of the answer',
}

/**
 * Goes on where the task's own events in `history` end, until there is an outcome; all that led to it is then
 * emitted, and for an outcome that is not the task's end durable. Each turn of the loop reads the next step off the
 * events and takes it.
 *
 * Rejects with `LeaseLost` when an append was refused or a tool met it (nothing of this activation runs any
 * more), and with whatever else `commit` throws.
 */
export const runAgent = async (run: AgentRun, deps: AgentDeps): Promise<AgentOutcome> => {
  const { task, emitter, signal } = run
  const { max_iterations } = task
  const own: LoggedEvent[] = run.history.filter((event) => event.task_id === task.task_id)
  const emit = (...events: LogEvent[]) => {
    own.push(...events)
    emitter.emit(...events)
  }
  const { model } = run
  const prices = deps.prices ?? NO_PRICES
  const children = run.history.filter((event) => event.parent_task_id === task.task_id)
  const commit = () => emitter.commit()
  const meter = createMeter({
    task,
    own,
    children,
    emit,
    commit,
    model,
    prices,
    calibration: deps.calibration,
  })
  const asking = createAsking(run, deps, meter, own, emit)
  const ask = toolAsk(run, deps, meter, emit)

  // Read before anything is told, so that the first step is told with the start.
  await asking.warmUp()
  emit(...openingEvents(task, resumePoint(own, max_iterations), toolsFor(deps.toolbox, task).names))
  for (;;) {
    const point = resumePoint(own, max_iterations)
    const { next, iteration } = point
    const totals = totalsOf(point)
    const failedBy = (error: TaskError, why: { stop_reason?: 'budget' } = {}) => ({
      kind: 'failed' as const,
      error,
      ...why,
      ...totalsOf(resumePoint(own, max_iterations)),
      ...asking.partialAnswer(point.lastText),
    })

    if (signal.aborted) {
      emit(...closingEvents(next, signal.reason))
      await emitter.commit()
      return { kind: 'aborted', ...totals, ...asking.partialAnswer(point.lastText) }
    }
    if (next.kind === 'answered' || next.kind === 'empty' || next.kind === 'cut') {
      if (!next.closed) emit(completeEvent(point))
      if (next.kind === 'empty') return failedBy(EMPTY_ANSWER)
      if (next.kind === 'cut') return failedBy(BUDGET_CUT, { stop_reason: 'budget' })
      return { kind: 'answered', answer: next.answer, stop_reason: next.stop_reason, ...totals }
    }
    if (next.kind === 'close') {
      emit(completeEvent(point))
      continue
    }
    if (run.shouldPause()) {
      await emitter.commit()
      return { kind: 'paused', ...totals }
    }
    if (next.kind === 'tools') {
      const ran = await runTools(run, deps, next.open, { iteration, ask, meter, emit })
      if (ran === 'waiting') return { kind: 'waiting', ...totals }
      continue
    }
    if (!next.logged) emit({ event_type: 'iteration_start', iteration, max_iterations })
    const outcome = await asking.ask(iteration, next.last)
    if (outcome.kind === 'answer') emit(thinkEvent(outcome, iteration, next.last))
    if (outcome.kind === 'failed') {
      const { code, message } = outcome.failure
      return failedBy({ code, message })
    }
    if (outcome.kind === 'over_budget') {
      return failedBy(outcome.error, { stop_reason: 'budget' })
    }
  }
}

const totalsOf = ({ totals: { iterations, tokens, cost_usd } }: ResumePoint): AgentTotals => ({
  total_iterations: iterations,
  total_tokens: tokens,
  ...(cost_usd !== undefined && { cost_usd }),
})

/** One group: its starts are durable before it runs. `waiting`: this activation is over. */
const runTools = async (
  run: AgentRun,
  { toolbox, abortGraceMs = ABORT_GRACE_MS }: AgentDeps,
  open: readonly OpenCall[],
  { emit, ...step }: Pick<ToolRun, 'iteration' | 'ask' | 'meter'> & { emit: (...events: LogEvent[]) => void },
): Promise<'waiting' | 'done'> => {
  const { group, starts } = nextGroup(open, toolbox.effectOf)
  const tools = { ...step, run, toolbox, emit, abortGraceMs }
  const [first] = group
  if (first?.effect === 'durable') return runDurable(first, starts.length === 0, tools)
  emit(...starts.map((call) => startEvent(call, step.iteration, call.effect)))
  await run.emitter.commit()
  if (!run.signal.aborted) await runGroup(group, tools)
  return 'done'
}

/** What tools ask of the task's model. */
const toolAsk = (
  { task, throttle, log }: AgentRun,
  deps: AgentDeps,
  meter: Meter,
  emit: (event: LogEvent) => void,
) =>
  createAsk({
    meter,
    models: task.models,
    throttle,
    policy: deps.retry ?? {},
    emit,
    log,
  })

/** Model calls of one activation: what they are asked, and what they stream. */
const createAsking = (
  run: AgentRun,
  deps: AgentDeps,
  meter: Meter,
  own: readonly LoggedEvent[],
  emit: (event: LogEvent) => void,
) => {
  const { task, emitter, signal, throttle, shouldPause, log } = run
  const { attempt } = task
  const policy = deps.retry ?? {}
  const context = createContext({ run, deps, own, meter, emit })
  let prompt: { system: ChatMessage; tools: string } | undefined
  let streamed = ''

  /** Anew for each call: tools may have come and gone. */
  const opening = async () => {
    const tools = toolsFor(deps.toolbox, task).specs
    const names = tools.map((tool) => tool.name)
    if (prompt?.tools !== names.join()) {
      const content = await deps.systemPrompt(task, run.toolContext.workspace, names)
      prompt = { system: { role: 'system', content }, tools: names.join() }
    }
    return { tools, system: prompt.system }
  }

  const ask = async (iteration: number, last: boolean): Promise<RetryOutcome> => {
    const { tools, system } = await opening()
    const request = { system, tools, iteration, last }
    const stream = createTextStream((offset, delta) =>
      emitter.ephemeral({ event_type: 'assistant_message', attempt, iteration, offset, delta }),
    )
    const onTry = () => {
      streamed = ''
      stream.restart()
    }
    const onDelta = (text: string) => {
      streamed += text
      stream.push(text)
    }
    const prepare: RetryDeps['prepare'] = (name, overflowed) => context.prepare(name, overflowed, request)
    const toolChoice = last ? 'none' : 'auto'
    const models = await affordable(task, deps.prices ?? NO_PRICES)
    const outcome = await callModel(
      { tools, toolChoice, signal, onDelta },
      { meter, thinks: true, models, prepare, throttle, policy, emit, onTry, shouldPause, log },
    )
    stream.flush()
    if (outcome.kind === 'answer') {
      streamed = ''
      context.counted(outcome.answer.usage.input_tokens)
    }
    return outcome
  }

  /** The best there is when the task ends early: the answer that was under way, or the last text before it. */
  const partialAnswer = (lastText?: string) => {
    const partial_answer = streamed.trim() === '' ? lastText : streamed
    return partial_answer === undefined ? {} : { partial_answer }
  }
  return { ask, partialAnswer, warmUp: opening }
}

/** A limit on the cost cannot be kept with a fallback whose price nobody knows. */
const affordable = async (
  { models: [first, ...fallbacks], max_cost_usd }: AgentTask,
  prices: Prices,
): Promise<[string, ...string[]]> => {
  if (max_cost_usd === undefined) return [first, ...fallbacks]
  const known = await Promise.all(fallbacks.map((model) => prices.of(model)))
  return [first, ...fallbacks.filter((_, i) => known[i] !== null)]
}
