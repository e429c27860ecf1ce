/** The task's hash in Redis, parsed, and the Task the API shows of it. */
import { z } from 'zod'
import { ResumeReason, StopReason, TaskError } from '../schemas/event.ts'
import { type CreateTask, Task, TaskStatus, TaskSummary } from '../schemas/task.ts'
import { fieldsOf } from './event-log.ts'
import { usageOf } from './usage.ts'

const ms = z.coerce.number()
const count = z.coerce.number().int().default(0)
const json = <T extends z.ZodType>(schema: T) =>
  z
    .string()
    .transform((text) => JSON.parse(text) as unknown)
    .pipe(schema)

/** Times in ms of Redis' clock. */
export const TaskRecord = z.object({
  id: z.string(),
  session_id: z.string(),
  parent_task_id: z.string().optional(),
  /** Absent in lists. */
  task: z.string().optional(),
  head: z.string(),
  status: TaskStatus,
  message: z.string().optional(),
  agent_preset: z.string(),
  tool_preset: z.string(),
  model: z.string(),
  priority: ms,
  max_iterations: ms,
  max_tokens: ms.optional(),
  timeout_s: ms,
  run_at: z.string().optional(),
  metadata: json(z.record(z.string(), z.string())).optional(),
  created_at: ms,
  started_at: ms.optional(),
  ended_at: ms.optional(),
  deadline: ms.optional(),
  /** Where the spans of the task hang, and the last activation's own, as W3C headers. Absent while tracing is off. */
  traceparent: z.string().optional(),
  tracestate: z.string().optional(),
  activation_traceparent: z.string().optional(),
  cancel: z.string().optional(),
  cancel_by: z.string().optional(),
  cancel_at: ms.optional(),
  attempt: count,
  worker: z.string().optional(),
  seq: count,
  // A newer release may know more reasons than this one.
  resume_reason: ResumeReason.optional().catch(undefined),
  iteration: count,
  stop_reason: StopReason.optional().catch(undefined),
  answer: z.string().optional(),
  error: json(TaskError).optional(),
  input_tokens: count,
  output_tokens: count,
  cached_tokens: count,
  model_calls: count,
  cost_nano: z.coerce.number().int().optional(),
  unpriced_calls: count,
  estimated_calls: count,
  estimated_tokens: count,
  estimated_nano: z.coerce.number().int().optional(),
  max_total_tokens: ms.optional(),
  max_cost_usd: z.coerce.number().optional(),
  tool_calls: count,
  /** Log id before the task's first event, and of its terminal one. */
  log_from: z.string().optional(),
  end_id: z.string().optional(),
})
export type TaskRecord = z.infer<typeof TaskRecord>

/** Parses what HGETALL gave as a flat list of name, value. */
export const parseRecord = (flat: readonly string[]): TaskRecord | null => {
  if (flat.length === 0) return null
  return TaskRecord.parse(fieldsOf(flat))
}

/** What a task takes that names nothing else. */
export interface TaskDefaults {
  model: string
  agent_preset: string
  tool_preset: string
  max_iterations: number
  task_timeout_s: number
}

/** The fields of a new task's record. */
export const newRecord = (input: CreateTask, defaults: TaskDefaults): Record<string, string> =>
  NewRecord.parse(
    present({
      task: input.task,
      head: input.task.slice(0, 1000),
      agent_preset: input.agent_preset ?? defaults.agent_preset,
      tool_preset: input.tool_preset ?? defaults.tool_preset,
      model: input.model ?? defaults.model,
      max_iterations: String(input.max_iterations ?? defaults.max_iterations),
      max_tokens: input.max_tokens?.toString(),
      max_total_tokens: input.max_total_tokens?.toString(),
      max_cost_usd: input.max_cost_usd?.toString(),
      timeout_s: String(input.timeout_s ?? defaults.task_timeout_s),
      priority: String(input.priority ?? 5),
      run_at: input.run_at === undefined ? undefined : new Date(input.run_at).toISOString(),
      metadata: input.metadata && JSON.stringify(input.metadata),
    }),
  )
const NewRecord = z.record(z.string(), z.string())

const time = (at: number | undefined) => (at === undefined ? undefined : new Date(at).toISOString())

/** Drops the keys whose value is undefined: absent rather than null. */
export const present = (value: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined))

/** `redact` masks secrets in whatever text came from a person or a model. */
export const summaryOf = (record: TaskRecord, redact: (text: string) => string): TaskSummary =>
  TaskSummary.parse(
    present({
      task_id: record.id,
      session_id: record.session_id,
      parent_task_id: record.parent_task_id,
      task: redact(record.head).slice(0, 200),
      status: record.status,
      message: redact(messageOfTask(record)),
      agent_preset: record.agent_preset,
      tool_preset: record.tool_preset,
      model: record.model,
      priority: record.priority,
      created_at: time(record.created_at),
      run_at: record.run_at,
      started_at: time(record.started_at),
      completed_at: time(record.ended_at),
      cancel_requested_at: time(record.cancel_at),
      queue_ms: record.started_at === undefined ? undefined : record.started_at - record.created_at,
      duration_ms:
        record.ended_at === undefined || record.started_at === undefined
          ? undefined
          : record.ended_at - record.started_at,
      attempts: record.attempt,
      worker: record.worker,
      current_iteration: record.iteration,
      max_iterations: record.max_iterations,
      stop_reason: record.stop_reason,
      error: record.error && { code: record.error.code, message: redact(record.error.message) },
      max_total_tokens: record.max_total_tokens,
      max_cost_usd: record.max_cost_usd,
      usage: { ...usageOf(record), tool_calls: record.tool_calls },
      metadata: record.metadata,
    }),
  )

export const taskOf = (record: TaskRecord, redact: (text: string) => string): Task =>
  Task.parse(
    present({
      ...summaryOf(record, redact),
      task: redact(record.task ?? record.head),
      result: record.answer === undefined ? undefined : { answer: redact(record.answer) },
    }),
  )

const messageOfTask = (record: TaskRecord): string => {
  if (record.message !== undefined) return record.message
  switch (record.status) {
    case 'pending':
      if (record.attempt > 0) return 'waiting for a worker to continue it'
      return record.run_at ? `scheduled for ${record.run_at}` : 'waiting for its turn'
    case 'running':
      if (record.cancel !== undefined) return `being cancelled: ${record.cancel}`
      return record.iteration === 0
        ? 'starting'
        : `working on iteration ${record.iteration} of at most ${record.max_iterations}`
    case 'waiting':
      return record.cancel === undefined ? 'waiting for its subtasks' : `being cancelled: ${record.cancel}`
    case 'completed':
      return record.stop_reason === 'max_iterations'
        ? 'completed at its last allowed iteration'
        : 'task completed'
    case 'failed':
      return 'task failed'
    case 'cancelled':
      return 'task cancelled by user'
  }
}
