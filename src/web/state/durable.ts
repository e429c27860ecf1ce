/** What each durable event changes in a conversation. */
import type { DurableEvent } from '../../client/client.ts'
import { type Draft, type EndItem, type NoteItem, stepKey, toolKey } from './items.ts'
import { NO_TEXT } from './live-text.ts'

type Of<T extends DurableEvent['event_type']> = Extract<DurableEvent, { event_type: T }>

export const applyDurable = (draft: Draft, event: DurableEvent): void => {
  const { task_id: taskId, timestamp: at } = event
  const place = (key: string) => ({ key: `${taskId}/${key}`, taskId, at })
  const note = (tone: NoteItem['tone'], text: string, detail?: string) =>
    draft.put({ kind: 'note', ...place(`note/${event.seq}`), tone, text, ...(detail && { detail }) })

  switch (event.event_type) {
    case 'task_queued':
      return draft.put({
        kind: 'prompt',
        ...place('prompt'),
        text: event.task,
        ...(event.parent_task_id !== undefined && { parentTaskId: event.parent_task_id }),
      })
    case 'task_started':
      return draft.setProgress(taskId, { status: 'running', startedAt: at, worker: event.worker })
    case 'task_resumed':
      draft.setProgress(taskId, { status: 'running', worker: event.worker })
      if (event.reason === 'woken') return
      return note('info', `${RESUMED[event.reason]}; it goes on from step ${event.from_iteration}.`)
    case 'iteration_start':
      return beginStep(draft, event)
    case 'think_complete':
      return completeStep(draft, event)
    case 'tool_call_start':
      return draft.put({
        kind: 'tool',
        key: toolKey(taskId, event.call_id),
        taskId,
        at,
        iteration: event.iteration,
        callId: event.call_id,
        toolName: event.tool_name,
        arguments: event.arguments,
        effect: event.effect,
        output: NO_TEXT,
      })
    case 'tool_call_complete':
      return completeCall(draft, event)
    case 'context_compression':
      return note(
        'info',
        `Context shortened from ${count(event.tokens_before)} to ${count(event.tokens_after)} tokens.`,
        event.summary,
      )
    case 'error': {
      const again =
        event.retry_in_ms === undefined ? '' : ` Trying again in ${Math.ceil(event.retry_in_ms / 1000)} s.`
      return note(event.recoverable ? 'warning' : 'error', `${event.message}${again}`)
    }
    case 'task_complete': {
      const shown = lastAnswer(draft, event) === event.final_answer.trim()
      const text = END_TEXT[event.stop_reason] ?? 'Completed'
      return end(draft, event, {
        outcome: 'completed',
        text,
        ...(!shown && { answer: event.final_answer }),
      })
    }
    case 'task_failed': {
      const partial = event.partial_answer ?? ''
      const shown = partial === '' || lastAnswer(draft, event) === partial.trim()
      return end(draft, event, {
        outcome: 'failed',
        text: event.error.message,
        ...(!shown && { answer: partial }),
      })
    }
    case 'task_cancelled':
      return end(draft, event, { outcome: 'cancelled', text: event.reason })
    // What they say stands in the step they belong to.
    case 'model_call_start':
    case 'model_call_end':
    case 'iteration_complete':
      return
    default:
      return overNewer(event)
  }
}

const RESUMED = {
  worker_lost: 'The worker was lost and another took the task over',
  drained: 'The worker left and another took the task over',
  woken: 'The task woke up',
}

const END_TEXT: Partial<Record<Of<'task_complete'>['stop_reason'], string>> = {
  max_iterations: 'Completed at the limit of its steps',
  budget: 'Completed at the limit of its budget',
}

const beginStep = (draft: Draft, event: Of<'iteration_start'>) => {
  const { task_id: taskId, iteration, max_iterations: maxIterations } = event
  draft.setProgress(taskId, { iteration, maxIterations })
  const key = stepKey(taskId, iteration)
  const known = draft.find('step', key)
  draft.put(
    known
      ? { ...known, answer: NO_TEXT, live: true }
      : {
          kind: 'step',
          key,
          taskId,
          at: event.timestamp,
          iteration,
          maxIterations,
          answer: NO_TEXT,
          live: true,
        },
  )
}

const completeStep = (draft: Draft, event: Of<'think_complete'>) => {
  const { task_id: taskId, iteration, usage, content } = event
  const key = stepKey(taskId, iteration)
  const { tokens, costUsd, maxIterations } = draft.progress(taskId)
  const used = usage.input_tokens + usage.output_tokens
  const cost = event.cost_usd ?? event.estimated_cost_usd
  draft.setProgress(taskId, { tokens: tokens + used, costUsd: costUsd + (cost ?? 0) })
  draft.put({
    kind: 'step',
    key,
    taskId,
    at: draft.find('step', key)?.at ?? event.timestamp,
    iteration,
    maxIterations,
    answer: { text: content, end: content.length },
    live: false,
    model: event.model,
    tokens: used,
    durationMs: event.duration,
    toolCalls: event.tool_call_count,
    ...(cost !== undefined && { costUsd: cost }),
  })
}

const completeCall = (draft: Draft, event: Of<'tool_call_complete'>) => {
  const key = toolKey(event.task_id, event.call_id)
  // Its start may lie before what is kept of the log.
  const known = draft.find('tool', key) ?? {
    kind: 'tool' as const,
    key,
    taskId: event.task_id,
    at: event.timestamp,
    iteration: draft.progress(event.task_id).iteration,
    callId: event.call_id,
    toolName: event.tool_name,
    arguments: {},
    effect: 'read',
  }
  const { error, interrupted, truncated } = event
  draft.put({
    ...known,
    output: NO_TEXT,
    result: event.result,
    durationMs: event.duration,
    ...(error !== undefined && { error }),
    ...(interrupted !== undefined && { interrupted }),
    ...(truncated !== undefined && { truncated }),
  })
}

const lastAnswer = (draft: Draft, event: DurableEvent): string | undefined =>
  draft.find('step', stepKey(event.task_id, draft.progress(event.task_id).iteration))?.answer.text.trim()

const end = (
  draft: Draft,
  event: Of<'task_complete' | 'task_failed' | 'task_cancelled'>,
  how: Pick<EndItem, 'outcome' | 'text'> & { answer?: string },
) => {
  const { task_id: taskId, duration, total_tokens: tokens, total_iterations: iterations, cost_usd } = event
  const step = draft.find('step', stepKey(taskId, draft.progress(taskId).iteration))
  // A cancelled answer stays as far as it came.
  if (step?.live) draft.put({ ...step, live: false })
  draft.setProgress(taskId, { status: how.outcome, durationMs: duration, tokens })
  if (cost_usd !== undefined) draft.setProgress(taskId, { costUsd: cost_usd })
  draft.put({
    kind: 'end',
    key: `${taskId}/end`,
    taskId,
    at: event.timestamp,
    ...how,
    iterations,
    tokens,
    durationMs: duration,
    ...(cost_usd !== undefined && { costUsd: cost_usd }),
  })
}

const count = (value: number): string => value.toLocaleString('en')

/** A newer server may send types that are not known here. */
const overNewer = (_event: never): void => {}
