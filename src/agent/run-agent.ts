/** The agent loop: one activation of a task, from its log to its answer. */
import type { LogEvent, LoggedEvent } from '../schemas/event.ts'
import type { AgentDeps, AgentOutcome, AgentRun } from './agent.ts'
import { type Ask, createAsk } from './ask.ts'
import { createContext } from './context.ts'
import type { ChatMessage } from './model.ts'
import { callModel, type RetryDeps, type RetryOutcome } from './model-retry.ts'
import { type OpenCall, resumePoint } from './resume-point.ts'
import { runDurable, toolsFor } from './run-durable.ts'
import { nextGroup, runGroup } from './run-tools.ts'
import { closingEvents, completeEvent, openingEvents, startEvent, thinkEvent } from './step-events.ts'
import { createTextStream } from './text-stream.ts'

const ABORT_GRACE_MS = 5_000

const EMPTY_ANSWER = {
  code: 'empty_answer',
  message: 'The model kept giving empty answers, with neither text nor a tool call.',
}

/**
 * Goes on where the task's own events in `history` end, until there is an outcome; all that led to it is then
 * durable. Each turn of the loop reads the next step off the events and takes it.
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
  const asking = createAsking(run, deps, own, emit)
  const ask = toolAsk(run, deps, emit)

  emit(...openingEvents(task, resumePoint(own, max_iterations), toolsFor(deps.toolbox, task).names))
  for (;;) {
    const point = resumePoint(own, max_iterations)
    const { next, iteration } = point
    const totals = { total_iterations: point.totals.iterations, total_tokens: point.totals.tokens }

    if (signal.aborted) {
      emit(...closingEvents(next, signal.reason))
      await emitter.commit()
      return { kind: 'aborted', ...totals, ...asking.partialAnswer(point.lastText) }
    }
    if (next.kind === 'answered' || next.kind === 'empty') {
      if (!next.closed) emit(completeEvent(point))
      await emitter.commit()
      if (next.kind === 'empty')
        return { kind: 'failed', error: EMPTY_ANSWER, ...totals, ...asking.partialAnswer(point.lastText) }
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
      const ran = await runTools(run, deps, next.open, iteration, ask, emit)
      if (ran === 'waiting') return { kind: 'waiting', ...totals }
      continue
    }
    if (!next.logged) emit({ event_type: 'iteration_start', iteration, max_iterations })
    // Results are durable before the model sees them; before the first answer there are none.
    if (point.totals.iterations > 0) await emitter.commit()
    const outcome = await asking.ask(iteration, next.last)
    if (outcome.kind === 'answer') emit(thinkEvent(outcome, iteration, next.last))
    if (outcome.kind === 'failed') {
      await emitter.commit()
      const { code, message } = outcome.failure
      const total_iterations = iteration
      const error = { code, message }
      return { kind: 'failed', error, ...totals, total_iterations, ...asking.partialAnswer(point.lastText) }
    }
  }
}

/** One group: its starts are durable before it runs. `waiting`: this activation is over. */
const runTools = async (
  run: AgentRun,
  { toolbox, abortGraceMs = ABORT_GRACE_MS }: AgentDeps,
  open: readonly OpenCall[],
  iteration: number,
  ask: Ask,
  emit: (...events: LogEvent[]) => void,
): Promise<'waiting' | 'done'> => {
  const { group, starts } = nextGroup(open, toolbox.effectOf)
  const tools = { run, toolbox, iteration, ask, emit, abortGraceMs }
  const [first] = group
  if (first?.effect === 'durable') return runDurable(first, starts.length === 0, tools)
  emit(...starts.map((call) => startEvent(call, iteration, call.effect)))
  await run.emitter.commit()
  if (!run.signal.aborted) await runGroup(group, tools)
  return 'done'
}

/** What tools ask of the task's model. Usage of these calls passes here, and nowhere else. */
const toolAsk = (
  { task, model, throttle, log }: AgentRun,
  deps: AgentDeps,
  emit: (event: LogEvent) => void,
) =>
  createAsk({
    model,
    models: task.models,
    throttle,
    policy: deps.retry ?? {},
    emit,
    log,
    onUsage: (used) => log.debug({ ...used }, 'a tool asked the model'),
  })

/** Model calls of one activation: what they are asked, and what they stream. */
const createAsking = (
  run: AgentRun,
  deps: AgentDeps,
  own: readonly LoggedEvent[],
  emit: (event: LogEvent) => void,
) => {
  const { task, emitter, signal, model, throttle, shouldPause, log } = run
  const { models, attempt } = task
  const policy = deps.retry ?? {}
  const context = createContext({ run, deps, own, emit })
  let system: ChatMessage | undefined
  let streamed = ''

  const ask = async (iteration: number, last: boolean): Promise<RetryOutcome> => {
    // Anew for each call: tools may have come and gone.
    const tools = toolsFor(deps.toolbox, task).specs
    const names = tools.map((tool) => tool.name)
    system ??= { role: 'system', content: await deps.systemPrompt(task, run.toolContext.workspace, names) }
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
    const outcome = await callModel(
      { tools, toolChoice, signal, onDelta },
      { model, models, prepare, throttle, policy, emit, onTry, shouldPause, log },
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
  return { ask, partialAnswer }
}
