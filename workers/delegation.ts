/** The children of one activation's task: made with the start of the call they answer, read when they have ended. */
import type { AgentRun, Budget } from '../src/agent/agent.ts'
import type { SubtaskResult } from '../src/agent/tools/tool.ts'
import { LeaseLost } from '../src/errors.ts'
import { childId } from '../src/tasks/delegating.ts'
import type { TicketQueue } from '../src/tasks/queue.ts'
import type { TaskRecord } from '../src/tasks/record.ts'
import type { Store } from '../src/tasks/store.ts'
import type { TraceContext } from '../src/tracing.ts'
import type { Activation } from './activations.ts'
import { persist } from './emitter.ts'

interface Options {
  store: Store
  queue: TicketQueue
  record: TaskRecord
  activation: Activation
  /** The log's seq once all that was emitted is durable. */
  position: () => Promise<number>
  signal: AbortSignal
  /** Where the spans of children hang. */
  trace: () => TraceContext | undefined
}

export const createDelegation = (options: Options): AgentRun['delegation'] => {
  const { store, queue, record, activation, signal } = options
  return {
    async start(call, subtasks, { maxWorkers, ...budget }) {
      const seq = await options.position()
      const children = subtasks.map((task, index) => ({
        task_id: childId(record.id, call.call_id, index),
        fields: {
          ...childFields(record, task, { iteration: call.iteration, siblings: subtasks.length, budget }),
          ...options.trace(),
        },
      }))
      const result = await persist(() =>
        store.delegate(activation, seq, { start: call, limit: maxWorkers, children }),
      )
      if (result.verdict === 'ok') return queue.add(result.tickets)
      activation.stop(result.verdict === 'cancel' ? 'cancelled' : 'refused')
      if (result.verdict !== 'cancel') throw new LeaseLost(result.why)
      signal.throwIfAborted()
    },

    results: (callId, count) =>
      Promise.all(
        Array.from({ length: count }, async (_, index) => {
          const id = childId(record.id, callId, index)
          return resultOf(id, await persist(() => store.get(id)))
        }),
      ),
  }
}

const resultOf = (task_id: string, child: TaskRecord | null): SubtaskResult => {
  if (!child) return { task_id, status: 'failed', why: 'nothing is left of it' }
  const why = child.error?.message ?? child.message
  return {
    task_id,
    status: child.status,
    ...(child.answer === undefined ? {} : { answer: child.answer }),
    ...(why === undefined ? {} : { why }),
  }
}

/** So many at least, while the parent has them: with fewer a child can hardly look at anything. */
const LEAST_ITERATIONS = 3

/** A child's part of what its parent may still use. Its deadline and tool preset are the parent's own. */
const childFields = (
  parent: TaskRecord,
  task: string,
  { iteration, siblings, budget }: { iteration: number; siblings: number; budget: Budget },
): Record<string, string> => {
  const left = Math.max(1, parent.max_iterations - iteration)
  const share = Math.min(left, Math.max(LEAST_ITERATIONS, Math.floor(left / siblings)))
  return {
    task,
    head: task.slice(0, 1000),
    agent_preset: parent.agent_preset,
    tool_preset: parent.tool_preset,
    model: parent.model,
    max_iterations: String(share),
    ...(parent.max_tokens === undefined ? {} : { max_tokens: String(parent.max_tokens) }),
    ...(budget.max_total_tokens === undefined ? {} : { max_total_tokens: String(budget.max_total_tokens) }),
    ...(budget.max_cost_usd === undefined ? {} : { max_cost_usd: String(budget.max_cost_usd) }),
    timeout_s: String(parent.timeout_s),
    priority: String(parent.priority),
  }
}
