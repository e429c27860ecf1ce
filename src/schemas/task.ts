/** A task as the API takes and shows it (../shared contracts: API, "Tasks"). Absent rather than null. */
import { z } from 'zod'
import { StopReason, TaskError } from './event.ts'
import { Usage } from './usage.ts'

export const TASK_STATUSES = ['pending', 'running', 'waiting', 'completed', 'failed', 'cancelled'] as const
export const TaskStatus = z.enum(TASK_STATUSES)
export type TaskStatus = z.infer<typeof TaskStatus>

const ENDED: readonly TaskStatus[] = ['completed', 'failed', 'cancelled']
export const isEnded = (status: TaskStatus): boolean => ENDED.includes(status)

export const SessionId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,128}$/, 'must be 1 to 128 characters of A-Z a-z 0-9 _ -')

/** Body of `POST /api/tasks`. Presets are checked against the known ones by the service. */
export const CreateTask = z.strictObject({
  task: z
    .string()
    .max(200_000)
    .refine((text) => text.trim() !== '', 'must not be blank')
    .describe('What to do, in plain words, complete in itself'),
  session_id: SessionId.optional().describe(
    'Goes on in this session, which is created on first use; without it the task gets a new one',
  ),
  agent_preset: z.string().optional().describe('The kind of agent, as GET /api/presets lists them'),
  tool_preset: z.string().optional().describe('What its tools may do, as GET /api/presets lists them'),
  model: z.string().min(1).max(200).optional().describe("Another model than the server's"),
  max_iterations: z.number().int().min(1).max(1000).optional().describe('Model turns it may take'),
  max_tokens: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Longest single answer of its model, in tokens'),
  // The budget, which is looked at before each call.
  max_total_tokens: z
    .number()
    .int()
    .min(1)
    .max(1_000_000_000)
    .optional()
    .describe('Tokens all its model calls together may use'),
  max_cost_usd: z
    .number()
    .positive()
    .max(1_000_000)
    .optional()
    .describe('What all its model calls together may cost'),
  timeout_s: z
    .number()
    .positive()
    .max(20 * 86_400)
    .optional()
    .describe('Seconds from its first start after which it fails'),
  priority: z.number().int().min(0).max(9).optional().describe('0 goes first, 9 last; 5 when absent'),
  run_at: z.iso.datetime({ offset: true }).optional().describe('Not before this time (RFC 3339)'),
  metadata: z
    .record(z.string().min(1).max(64), z.string().max(512))
    .refine((pairs) => Object.keys(pairs).length <= 16, 'at most 16 pairs')
    .optional()
    .describe('Up to 16 texts by name, kept with the task'),
})
export type CreateTask = z.infer<typeof CreateTask>

const TaskUsage = Usage.extend({ tool_calls: z.number().int() })

/** A task in a list: its text cut to 200 characters, no result. */
export const TaskSummary = z.object({
  task_id: z.string(),
  session_id: z.string(),
  parent_task_id: z.string().optional(),
  task: z.string(),
  status: TaskStatus,
  /** A human sentence on where the task stands. */
  message: z.string(),
  agent_preset: z.string(),
  tool_preset: z.string(),
  model: z.string(),
  priority: z.number().int(),
  created_at: z.string(),
  run_at: z.string().optional(),
  started_at: z.string().optional(),
  completed_at: z.string().optional(),
  cancel_requested_at: z.string().optional(),
  queue_ms: z.number().optional(),
  duration_ms: z.number().optional(),
  attempts: z.number().int(),
  worker: z.string().optional(),
  current_iteration: z.number().int(),
  max_iterations: z.number().int(),
  stop_reason: StopReason.optional(),
  error: TaskError.optional(),
  max_total_tokens: z.number().int().optional(),
  max_cost_usd: z.number().optional(),
  usage: TaskUsage,
  metadata: z.record(z.string(), z.string()).optional(),
})
export type TaskSummary = z.infer<typeof TaskSummary>

export const Task = TaskSummary.extend({
  result: z.object({ answer: z.string() }).optional(),
})
export type Task = z.infer<typeof Task>

export const TaskCreated = z.object({
  task_id: z.string(),
  session_id: z.string(),
  status: z.literal('pending'),
})
export type TaskCreated = z.infer<typeof TaskCreated>

/** How many tasks there are of each status. */
export const TaskStats = z.record(TaskStatus, z.number().int())
export type TaskStats = z.infer<typeof TaskStats>

export const TaskCancelled = z.object({
  message: z.literal('Task cancelled successfully'),
  task_id: z.string(),
  /** The true one after up to 2 s of waiting for the end. */
  status: TaskStatus,
})
export type TaskCancelled = z.infer<typeof TaskCancelled>

export const TasksCancelled = z.object({
  cancelled: z.array(z.string()),
  skipped: z.array(z.object({ task_id: z.string(), reason: z.string() })),
})
export type TasksCancelled = z.infer<typeof TasksCancelled>
