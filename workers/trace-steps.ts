/** The spans below an activation's, read off its events: iterations, in them model calls and tools. */
import type { LogEvent, ToolCall } from '../src/schemas/event.ts'
import type { TaskRecord } from '../src/tasks/record.ts'
import type { Span, SpanAttributes, TraceContext, Tracing } from '../src/tracing.ts'

interface Options {
  tracing: Tracing
  record: TaskRecord
  activation: Span
  /** Who answers model calls. */
  server: SpanAttributes
}

export interface Steps {
  notice: (event: LogEvent) => void
  /** Where what belongs to the current step hangs. */
  context: () => TraceContext | undefined
  /** Whatever is still open ends, as aborted. */
  end: () => void
}

export const traceSteps = ({ tracing, record, activation, server }: Options): Steps => {
  const content = (attributes: SpanAttributes) => (tracing.content ? attributes : {})
  let number = record.iteration
  let iteration: Span | undefined
  const calls = new Map<string, Span>()
  const tools = new Map<string, Span>()

  /** An activation that goes on within an iteration says so with the first thing it does there. */
  const within = (n = number): Span => {
    number = n
    iteration ??= tracing.start(`iteration ${n}`, {
      parent: activation.context,
      attributes: { 'alex.iteration': n },
    })
    return iteration
  }
  const startTool = (
    { call_id, tool_name }: { call_id: string; tool_name: string },
    attributes: SpanAttributes,
    startedAt?: number,
  ): Span =>
    tracing.start(`execute_tool ${tool_name.slice(0, 64)}`, {
      parent: within().context,
      attributes: {
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': tool_name,
        'gen_ai.tool.type': 'function',
        'gen_ai.tool.call.id': call_id,
        ...attributes,
      },
      ...(startedAt !== undefined && { startedAt }),
    })
  const take = (spans: Map<string, Span>, id: string): Span | undefined => {
    const span = spans.get(id)
    spans.delete(id)
    return span
  }

  const notice = (event: LogEvent): void => {
    switch (event.event_type) {
      case 'task_resumed':
        number = event.from_iteration
        activation.set({ 'alex.resume_reason': event.reason })
        break
      case 'iteration_start':
        iteration?.end()
        iteration = undefined
        within(event.iteration)
        break
      case 'model_call_start': {
        const span = tracing.start(`chat ${event.model}`, {
          kind: 'client',
          parent: within(event.iteration).context,
          attributes: {
            'gen_ai.operation.name': 'chat',
            ...server,
            'gen_ai.request.model': event.model,
            'gen_ai.request.max_tokens': event.max_tokens,
            'gen_ai.conversation.id': record.session_id,
            'alex.task_id': record.id,
          },
        })
        calls.set(event.call, span)
        break
      }
      case 'think_complete': {
        const span = event.call === undefined ? undefined : take(calls, event.call)
        span?.set({
          'gen_ai.response.model': event.model,
          ...usage(event.usage),
          'alex.cost_usd': event.cost_usd,
          'alex.tool_calls': event.tool_calls.length,
          ...content({ 'gen_ai.output.messages': messages('assistant', event.content, event.tool_calls) }),
        })
        span?.end()
        break
      }
      case 'model_call_end': {
        // One that was lost with its worker is not ours.
        const span = take(calls, event.call)
        const used = event.usage ?? event.estimated_usage
        span?.set({ ...(used && usage(used)), 'alex.cost_usd': event.cost_usd })
        if (event.outcome !== 'answered') span?.fail(event.outcome)
        span?.end()
        break
      }
      case 'tool_call_start':
        tools.set(
          event.call_id,
          startTool(event, {
            'alex.effect': event.effect,
            ...content({ 'gen_ai.tool.call.arguments': JSON.stringify(event.arguments) }),
          }),
        )
        break
      case 'tool_call_complete': {
        // One that another activation had started has a span from its start on, as far as that is known.
        const span = take(tools, event.call_id) ?? startTool(event, {}, Date.now() - event.duration)
        span.set(content({ 'gen_ai.tool.call.result': event.result }))
        if (event.error !== undefined)
          span.fail(event.interrupted ? 'interrupted' : 'tool_error', event.error)
        span.end()
        break
      }
      case 'iteration_complete':
        iteration?.set({
          'alex.tokens': event.tokens_used,
          'alex.tools_run': event.tools_run,
          'alex.cost_usd': event.cost_usd,
        })
        iteration?.end()
        iteration = undefined
        break
      case 'context_compression':
        within(event.iteration).event('context_compression', {
          'alex.tokens_before': event.tokens_before,
          'alex.tokens_after': event.tokens_after,
        })
        break
      case 'error': {
        const { phase, code, retry_in_ms } = event
        within().event('error', { 'alex.phase': phase, 'error.type': code, 'alex.retry_in_ms': retry_in_ms })
        break
      }
      case 'task_queued':
      case 'task_started':
      case 'task_complete':
      case 'task_failed':
      case 'task_cancelled':
        break
    }
  }

  return {
    notice,
    context: () => iteration?.context ?? activation.context,
    end() {
      for (const span of [...calls.values(), ...tools.values()]) {
        span.fail('aborted')
        span.end()
      }
      iteration?.end()
    },
  }
}

const usage = (used: { input_tokens: number; output_tokens: number; cached_tokens: number }) => ({
  'gen_ai.usage.input_tokens': used.input_tokens,
  'gen_ai.usage.output_tokens': used.output_tokens,
  'gen_ai.usage.cache_read.input_tokens': used.cached_tokens,
})

/** The form that the conventions give to messages. */
export const messages = (role: 'user' | 'assistant', text: string, calls: readonly ToolCall[] = []): string =>
  JSON.stringify([
    {
      role,
      parts: [
        ...(text === '' ? [] : [{ type: 'text', content: text }]),
        ...calls.map(({ call_id, tool_name, arguments: given }) => ({
          type: 'tool_call',
          id: call_id,
          name: tool_name,
          arguments: given,
        })),
      ],
    },
  ])
