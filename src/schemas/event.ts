/**
 * The one event union: what is appended to a session's log, streamed over SSE, counted and asserted in tests.
 *
 * A `LogEvent` is the payload as it stands in the log: raw, what the model saw. `Event` adds where and when it
 * was appended. Clients, mirrors and application logs only ever see `viewOf(event)` (src/tasks/view.ts),
 * which redacts and caps. Times are RFC 3339 with milliseconds; durations are milliseconds.
 */
import { z } from 'zod'

export const Effect = z.enum(['read', 'write', 'external', 'durable'])
export type Effect = z.infer<typeof Effect>

export const StopReason = z.enum([
  'final_answer',
  'max_iterations',
  'budget',
  'timeout',
  'cancelled',
  'error',
])
export type StopReason = z.infer<typeof StopReason>

export const ResumeReason = z.enum(['worker_lost', 'drained', 'woken'])
export type ResumeReason = z.infer<typeof ResumeReason>

export const TokenUsage = z.object({
  input_tokens: z.number().int(),
  output_tokens: z.number().int(),
  cached_tokens: z.number().int(),
})
export type TokenUsage = z.infer<typeof TokenUsage>

/**
 * How a model call ended that is no `think_complete`: `answered` to somebody else than the agent loop, or too late ·
 * `refused` before an answer began (nothing is billed) · `broken` off · `aborted` by us · `lost` with its worker.
 */
const ModelCallOutcome = z.enum(['answered', 'refused', 'broken', 'aborted', 'lost'])

/** A tool call as the model asked for it; `arguments` is the model's text, which need not be valid JSON. */
export const ToolCall = z.object({ call_id: z.string(), tool_name: z.string(), arguments: z.string() })
export type ToolCall = z.infer<typeof ToolCall>

export const TaskError = z.object({ code: z.string(), message: z.string() })
export type TaskError = z.infer<typeof TaskError>

/** In a session's conversation: up to and including the `answers`th answer of a task; 0 is its text alone. */
export const ContextPosition = z.object({ task_id: z.string(), answers: z.number().int() })
export type ContextPosition = z.infer<typeof ContextPosition>

/** What the conversation loses where a fold meets this, in this order. */
export const Compression = z.object({
  /** All up to there gives way to this text, which says what it was. */
  summary: z.object({ to: ContextPosition, text: z.string() }).optional(),
  /** Tool outputs and arguments up to there keep so many characters. */
  shorten: z.object({ to: ContextPosition, chars: z.number().int() }).optional(),
  /** Characters that stay of any longer output or argument, and of any longer text. */
  cap_outputs: z.number().int().optional(),
  cap_texts: z.number().int().optional(),
})
export type Compression = z.infer<typeof Compression>

const totals = {
  total_iterations: z.number().int(),
  total_tokens: z.number().int(),
  cost_usd: z.number().optional(),
  duration: z.number(),
}

/** Stands in the log and is shown to clients with the same fields. */
export const PLAIN_EVENTS = [
  z.object({
    event_type: z.literal('task_queued'),
    task: z.string(),
    /** 1 = next to run in its session; absent while the task waits for its `run_at`. */
    position: z.number().int().optional(),
    run_at: z.string().optional(),
  }),
  z.object({
    event_type: z.literal('task_started'),
    worker: z.string(),
    attempt: z.number().int(),
    tools: z.object({ allowed: z.array(z.string()), denied: z.array(z.string()) }),
  }),
  z.object({
    event_type: z.literal('task_resumed'),
    worker: z.string(),
    attempt: z.number().int(),
    from_iteration: z.number().int(),
    reason: ResumeReason,
  }),
  z.object({
    event_type: z.literal('iteration_start'),
    iteration: z.number().int(),
    max_iterations: z.number().int(),
  }),
  z.object({
    event_type: z.literal('model_call_start'),
    /** Of this task's calls; the outcome has the same: a `think_complete`, or a `model_call_end`. */
    call: z.string(),
    iteration: z.number().int(),
    /** As asked for. */
    model: z.string(),
    estimated_input_tokens: z.number().int(),
    /** What the estimated input costs; absent when the model's price is not known. */
    estimated_cost_usd: z.number().optional(),
    /** Of the answer. */
    max_tokens: z.number().int(),
  }),
  z.object({
    event_type: z.literal('model_call_end'),
    call: z.string(),
    iteration: z.number().int(),
    /** As asked for. */
    model: z.string(),
    outcome: ModelCallOutcome,
    /** Of `answered` only: as the provider says, or estimated where it says nothing. */
    usage: TokenUsage.optional(),
    cost_usd: z.number().optional(),
    /** Of a call that may be billed although no answer came: never less than its input. */
    estimated_usage: TokenUsage.optional(),
    estimated_cost_usd: z.number().optional(),
  }),
  z.object({
    event_type: z.literal('tool_call_start'),
    iteration: z.number().int(),
    call_id: z.string(),
    tool_name: z.string(),
    /** Parsed arguments; the raw text when it was no valid JSON. */
    arguments: z.unknown(),
    effect: Effect,
  }),
  z.object({
    event_type: z.literal('tool_call_complete'),
    call_id: z.string(),
    tool_name: z.string(),
    result: z.string(),
    truncated: z.boolean().optional(),
    /** Why the call failed, in a few words; `result` is what the model reads. */
    error: z.string().optional(),
    interrupted: z.boolean().optional(),
    duration: z.number(),
  }),
  z.object({
    event_type: z.literal('iteration_complete'),
    iteration: z.number().int(),
    tokens_used: z.number().int(),
    tools_run: z.number().int(),
    cost_usd: z.number().optional(),
  }),
  z.object({
    event_type: z.literal('error'),
    phase: z.enum(['model', 'tool', 'context', 'worker']),
    code: z.string(),
    message: z.string(),
    recoverable: z.boolean(),
    retry_in_ms: z.number().optional(),
  }),
  z.object({
    event_type: z.literal('task_complete'),
    final_answer: z.string(),
    stop_reason: StopReason,
    ...totals,
  }),
  z.object({
    event_type: z.literal('task_failed'),
    error: TaskError,
    partial_answer: z.string().optional(),
    stop_reason: StopReason,
    ...totals,
  }),
  z.object({
    event_type: z.literal('task_cancelled'),
    reason: z.string(),
    requested_by: z.string(),
    ...totals,
  }),
] as const

export const ThinkComplete = z.object({
  event_type: z.literal('think_complete'),
  /** The call this is the outcome of; absent in entries of older releases. */
  call: z.string().optional(),
  iteration: z.number().int(),
  content: z.string(),
  /** Log only; the view replaces it by `tool_call_count`. */
  tool_calls: z.array(ToolCall),
  model: z.string(),
  usage: TokenUsage,
  cost_usd: z.number().optional(),
  /** In its place when the provider said nothing of the usage, which is our estimate then. */
  estimated_cost_usd: z.number().optional(),
  duration: z.number(),
  /** Its length was what the budget left, and not enough: the task ends here. */
  budget_cut: z.boolean().optional(),
})

export const ContextCompression = z.object({
  event_type: z.literal('context_compression'),
  iteration: z.number().int(),
  /** `overflow`: the provider refused what we took for short enough. */
  reason: z.enum(['limit', 'overflow']),
  /** Whom the context is for. */
  asked_model: z.string(),
  tokens_before: z.number().int(),
  tokens_after: z.number().int(),
  messages_before: z.number().int(),
  messages_after: z.number().int(),
  /** Log only; the view shows the text of a summary. */
  compression: Compression,
  /** Of the calls that wrote the summary, and who wrote it; absent when none was asked for. */
  usage: TokenUsage.optional(),
  model: z.string().optional(),
  model_calls: z.number().int().optional(),
  duration: z.number(),
})

export const LogEvent = z.discriminatedUnion('event_type', [
  ...PLAIN_EVENTS,
  ThinkComplete,
  ContextCompression,
])
export type LogEvent = z.infer<typeof LogEvent>
export type EventType = LogEvent['event_type']

/** Where an event stands: `id` is the session log's stream id, `seq` counts 1, 2, 3 … within the task. */
export interface EventPlace {
  id: string
  timestamp: string
  session_id: string
  task_id: string
  parent_task_id?: string
  seq: number
}
/** An entry of a release that this one cannot read: passed on as it is, but redacted; no fold looks at it. */
export interface ForeignEvent {
  event_type: 'foreign'
  /** Its own. */
  type: string
  payload: Record<string, unknown>
}
export type LoggedEvent = LogEvent | ForeignEvent
export type Event = EventPlace & LoggedEvent

export const TERMINAL_EVENTS = ['task_complete', 'task_failed', 'task_cancelled'] as const
export type TerminalEvent = Extract<LogEvent, { event_type: (typeof TERMINAL_EVENTS)[number] }>
export const isTerminal = <E extends LoggedEvent>(event: E): event is E & TerminalEvent =>
  (TERMINAL_EVENTS as readonly string[]).includes(event.event_type)

/** Not stored, no id, may be dropped. `offset`: characters of this text sent before; 0 starts again. */
export const EphemeralEvent = z.discriminatedUnion('event_type', [
  z.object({
    event_type: z.literal('assistant_message'),
    attempt: z.number().int(),
    iteration: z.number().int(),
    offset: z.number().int(),
    delta: z.string(),
  }),
  z.object({
    event_type: z.literal('tool_call_stream'),
    attempt: z.number().int(),
    iteration: z.number().int(),
    offset: z.number().int(),
    call_id: z.string(),
    chunk: z.string(),
  }),
])
export type EphemeralEvent = z.infer<typeof EphemeralEvent>
