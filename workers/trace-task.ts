/**
 * The spans of one activation. They know of the task only what its events say, so the agent loop knows nothing of
 * them. Names and attributes are those of OpenTelemetry's GenAI conventions; ours begin with `alex.`.
 */
import type { AgentOutcome, Emitter } from '../src/agent/agent.ts'
import type { TaskRecord } from '../src/tasks/record.ts'
import type { SpanAttributes, TraceContext, Tracing } from '../src/tracing.ts'
import type { StopCause } from './activations.ts'
import { messages, traceSteps } from './trace-steps.ts'

export interface Provider {
  name: string
  /** Absent for a model that is not asked over a network. */
  address?: string
  port?: number
}

export type TraceTask = ReturnType<typeof createTraceTask>

export const createTraceTask = ({ tracing, provider }: { tracing: Tracing; provider: Provider }) => {
  const server: SpanAttributes = {
    'gen_ai.provider.name': provider.name,
    'server.address': provider.address,
    'server.port': provider.port,
  }

  return (record: TaskRecord, worker: string) => {
    const { activation_traceparent: last, traceparent, tracestate } = record
    const previous: TraceContext | undefined = last === undefined ? undefined : { traceparent: last }
    const content = (attributes: SpanAttributes) => (tracing.content ? attributes : {})
    const activation = tracing.start(`invoke_agent ${record.agent_preset}`, {
      // A task that was accepted without a trace has the one of its first activation.
      parent: traceparent === undefined ? previous : { traceparent, ...(tracestate && { tracestate }) },
      links: previous === undefined ? [] : [previous],
      attributes: {
        'gen_ai.operation.name': 'invoke_agent',
        'gen_ai.provider.name': provider.name,
        'gen_ai.agent.name': record.agent_preset,
        'gen_ai.conversation.id': record.session_id,
        'gen_ai.request.model': record.model,
        'alex.task_id': record.id,
        'alex.parent_task_id': record.parent_task_id,
        'alex.worker': worker,
        'alex.attempt': record.attempt,
        ...content({ 'gen_ai.input.messages': messages('user', record.task ?? record.head) }),
      },
    })
    const steps = traceSteps({ tracing, record, activation, server })

    return {
      /** For log lines. */
      ids: activation.ids,
      /** Of the task's record, so that the next activation finds this one. */
      recordFields: activation.context && { activation_traceparent: activation.context.traceparent },
      /** Where the spans of children hang. */
      context: steps.context,
      /** The emitter, with what passes through it made spans of. */
      watch: <E extends Emitter>(emitter: E): E =>
        tracing.on
          ? {
              ...emitter,
              emit(...events) {
                events.forEach(steps.notice)
                emitter.emit(...events)
              },
            }
          : emitter,
      /** How it ended; `cause`: why it was stopped, if it was. */
      conclude(outcome: AgentOutcome, cause: StopCause | null): void {
        activation.set({
          'alex.outcome': outcome.kind === 'aborted' ? (cause ?? 'aborted') : outcome.kind,
          'alex.iterations': outcome.total_iterations,
          'alex.tokens': outcome.total_tokens,
          'alex.cost_usd': outcome.cost_usd,
        })
        if (outcome.kind === 'answered')
          activation.set({
            'alex.stop_reason': outcome.stop_reason,
            ...content({ 'gen_ai.output.messages': messages('assistant', outcome.answer) }),
          })
        // A provider's message may quote what it was asked.
        if (outcome.kind === 'failed')
          activation.fail(outcome.error.code, tracing.content ? outcome.error.message : undefined)
        if (outcome.kind === 'aborted' && cause !== 'cancelled' && cause !== 'drained')
          activation.fail(cause ?? 'aborted')
      },
      fail: (type: string) => activation.fail(type),
      /** Whatever is still open ends with it. */
      end(): void {
        steps.end()
        activation.end()
      },
    }
  }
}
