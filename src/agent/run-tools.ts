/** Runs tool calls of one answer. Their results are folded in call order, whatever order they arrive in. */
import { setTimeout as delay } from 'node:timers/promises'
import { LeaseLost, messageOf } from '../errors.ts'
import type { Effect, LogEvent, ToolCall } from '../schemas/event.ts'
import { type AgentRun, DRAINED, type Toolbox } from './agent.ts'
import type { Ask } from './ask.ts'
import { STOPPED } from './fold.ts'
import type { Meter } from './model-meter.ts'
import type { OpenCall } from './resume-point.ts'
import { resultEvent } from './step-events.ts'
import { createTextStream } from './text-stream.ts'
import type { ToolContext, ToolOutput } from './tools/tool.ts'

/** Reads that run side by side. */
const MAX_PARALLEL = 8

/** A call with the effect it has, or had when it started. */
export interface Runnable extends ToolCall {
  effect: Effect
}

export interface ToolRun {
  run: AgentRun
  toolbox: Toolbox
  iteration: number
  ask: Ask
  meter: Meter
  emit: (...events: LogEvent[]) => void
  /** Milliseconds. */
  abortGraceMs: number
}

/** What runs next, the neighbouring reads at the head or one call alone, and which of it is not logged yet. */
export const nextGroup = (
  open: readonly OpenCall[],
  effectOf: (toolName: string) => Effect,
): { group: Runnable[]; starts: Runnable[] } => {
  const runnable = open.map((call) => ({ ...call, effect: call.effect ?? effectOf(call.tool_name) }))
  const firstOther = runnable.findIndex((call) => call.effect !== 'read')
  const reads = firstOther < 0 ? runnable.length : firstOther
  const group = runnable.slice(0, Math.max(1, Math.min(reads, MAX_PARALLEL)))
  return { group, starts: group.filter((_, index) => open[index]?.effect === undefined) }
}

/**
 * Emits a tool_call_complete for each call as it ends. Resolves when all have ended; a call that outlives the
 * abort by more than the grace is answered for. When a tool meets `LeaseLost` the others are stopped, nothing
 * more is emitted, and it rejects with that.
 */
export const runGroup = async (group: readonly Runnable[], tools: ToolRun): Promise<void> => {
  const giveUp = new AbortController()
  const signal = AbortSignal.any([tools.run.signal, giveUp.signal])
  const ended = await Promise.allSettled(
    group.map(async (call) => {
      try {
        const event = await runCall(call, signal, tools)
        if (event && !giveUp.signal.aborted) tools.emit(event)
      } catch (error) {
        giveUp.abort(error)
        throw error
      }
    }),
  )
  const refused = ended.find((result) => result.status === 'rejected')
  if (refused) throw refused.reason
}

/** Null: the call stays open, for another activation to run. */
const runCall = async (call: Runnable, signal: AbortSignal, tools: ToolRun): Promise<LogEvent | null> => {
  const { run, toolbox, abortGraceMs } = tools
  const { task_id, attempt, tool_preset } = run.task
  const stream = createTextStream((offset, chunk) => {
    const { iteration } = tools
    const { call_id } = call
    run.emitter.ephemeral({ event_type: 'tool_call_stream', attempt, iteration, offset, call_id, chunk })
  })
  const context: ToolContext = {
    ...run.toolContext,
    callKey: `${task_id}/${attempt}/${call.call_id}`,
    signal,
    ask: tools.ask,
    stream: stream.push,
  }
  const began = performance.now()
  const ended = new AbortController()
  try {
    const executing = toolbox.execute(call, context, tool_preset).catch(asResult)
    const output = await Promise.race([executing, outlived(signal, abortGraceMs, ended.signal)])
    const drained = run.signal.aborted && run.signal.reason === DRAINED && output.error !== undefined
    // Another activation reads again: what a read returned when it was stopped is no answer.
    if (drained && call.effect === 'read') return null
    return resultEvent(call, output, Math.round(performance.now() - began), drained)
  } finally {
    ended.abort()
    stream.flush()
  }
}

const asResult = (error: unknown): ToolOutput => {
  if (error instanceof LeaseLost) throw error
  return { content: `The tool failed: ${messageOf(error)}`, error: 'failed' }
}

/** Resolves `graceMs` after the abort; never when the call ended first. */
const outlived = async (signal: AbortSignal, graceMs: number, ended: AbortSignal): Promise<ToolOutput> => {
  const aborted = Promise.withResolvers<void>()
  if (signal.aborted) aborted.resolve()
  signal.addEventListener('abort', () => aborted.resolve(), { once: true, signal: ended })
  await aborted.promise
  await delay(graceMs, undefined, { signal: ended }).catch(() => undefined)
  return { content: STOPPED, error: 'cancelled' }
}
