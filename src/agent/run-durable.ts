/** Durable calls: other tasks answer them, over any number of activations of this one. */
import type { AgentRun, AgentTask, Toolbox } from './agent.ts'
import type { ToolSpec } from './model.ts'
import type { Runnable, ToolRun } from './run-tools.ts'
import { resultEvent, startEvent } from './step-events.ts'
import type { ToolContext, ToolOutput } from './tools/tool.ts'

/** What the model is offered: a child makes no children, so durable tools are denied to it. */
export const toolsFor = (
  toolbox: Toolbox,
  { tool_preset, parent_task_id }: AgentTask,
): { specs: readonly ToolSpec[]; names: { allowed: string[]; denied: string[] } } => {
  const [specs, names] = [toolbox.specs(tool_preset), toolbox.names(tool_preset)]
  if (parent_task_id === undefined) return { specs, names }
  const isDurable = (name: string) => toolbox.effectOf(name) === 'durable'
  return {
    specs: specs.filter(({ name }) => !isDurable(name)),
    names: {
      allowed: names.allowed.filter((name) => !isDurable(name)),
      denied: [...names.denied, ...names.allowed.filter(isDurable)],
    },
  }
}

/**
 * `waiting`: the start is recorded and the task waits, this activation is over. Otherwise the call has its result,
 * or the signal has aborted. A start without children has its result in the same append, so that a start alone
 * always means: there are children. Rejects with `LeaseLost`.
 */
export const runDurable = async (
  call: Runnable,
  started: boolean,
  { run, toolbox, iteration, ask, meter, emit }: ToolRun,
): Promise<'waiting' | 'done'> => {
  const { task, delegation, signal, emitter } = run
  const start = startEvent(call, iteration, call.effect)
  const began = started ? startedAt(run, call.call_id) : Date.now()
  const context: ToolContext = {
    ...run.toolContext,
    callKey: `${task.task_id}/${task.attempt}/${call.call_id}`,
    signal,
    stream: () => {},
    ask,
    async delegate(subtasks, options) {
      if (started) return delegation.results(call.call_id, subtasks.length)
      await emitter.commit()
      await delegation.start(start, subtasks, { ...options, ...meter.share(subtasks.length) })
      return 'waiting'
    },
  }
  const output =
    task.parent_task_id === undefined ? await toolbox.execute(call, context, task.tool_preset) : BELOW_A_CHILD
  if (output.waiting) return 'waiting'
  if (signal.aborted && output.error !== undefined) return 'done'
  emit(...(started ? [] : [start]), resultEvent(call, output, Math.max(0, Date.now() - began)))
  return 'done'
}

/** By the clock of Redis, in ms since the epoch. */
const startedAt = ({ history, task }: AgentRun, callId: string): number => {
  const start = history.find(
    (event) =>
      event.task_id === task.task_id && event.event_type === 'tool_call_start' && event.call_id === callId,
  )
  return start ? Date.parse(start.timestamp) : Date.now()
}

const BELOW_A_CHILD: ToolOutput = {
  content: 'A subagent cannot have subagents of its own. Do this part of the work yourself.',
  error: 'refused: this is a subagent',
}
