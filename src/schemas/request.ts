/** What the routes take: query parameters, which arrive as strings, and bodies (`CreateTask` stands with the task). */
import { z } from 'zod'
import { CostGrouping } from './cost.ts'
import { SessionId, TaskStatus } from './task.ts'

export const MAX_PAGE = 1000
/** The longest a caller may wait for a task in one request, in seconds. */
export const MAX_WAIT_S = 60

/** Documented as the number that it stands for. */
const numeric = (
  type: 'integer' | 'number',
  range: { minimum: number; maximum: number; default: number },
) => ({
  override: { type, ...range },
})

const LIMIT_RULE = { message: `must be a whole number from 1 to ${MAX_PAGE}` }
const limit = z
  .string()
  .refine((text) => /^\d{1,9}$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_PAGE, LIMIT_RULE)
  .transform(Number)
  .default(MAX_PAGE)
  .meta(numeric('integer', { minimum: 1, maximum: MAX_PAGE, default: MAX_PAGE }))
  .describe('Items of one page')

/** Of every paged list. The cursor is opaque: its maker judges it. */
const page = {
  limit,
  cursor: z
    .string()
    .min(1)
    .max(1000)
    .exactOptional()
    .describe('Where the page begins: from the `Link` header of the page before'),
}
export const PageQuery = z.object(page)

/** Which tasks a list shows. */
export const taskFilters = {
  status: z.array(TaskStatus).exactOptional().describe('Only tasks in one of these states'),
  session_id: SessionId.exactOptional().describe('Only tasks of this session'),
  q: z.string().max(1000).exactOptional().describe('Only tasks whose text has this in it'),
}
export const TaskListQuery = z.object({ ...page, ...taskFilters })

const WAIT_RULE = { message: `must be a number of seconds from 0 to ${MAX_WAIT_S}` }
export const TaskQuery = z.object({
  wait_s: z
    .string()
    .refine((text) => /^\d{1,2}(\.\d{1,3})?$/.test(text) && Number(text) <= MAX_WAIT_S, WAIT_RULE)
    .transform(Number)
    .default(0)
    .meta(numeric('number', { minimum: 0, maximum: MAX_WAIT_S, default: 0 }))
    .describe('Answer when the task has ended, or after so many seconds'),
})

export const SessionListQuery = z.object({
  ...page,
  q: z.string().max(1000).exactOptional().describe('Only sessions whose title has this in it'),
})

/** Before what the client would rather have. */
const format = z.enum(['json', 'csv']).exactOptional().describe('Goes before the `Accept` header')
export const SessionCostQuery = z.object({ format })

const day = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })], {
    error: 'must be a date (2026-01-31) or an RFC 3339 time',
  })
  .transform((text) => new Date(text).toISOString().slice(0, 10))
  .exactOptional()
  .describe('A UTC day, included; of a time its day. Default: the last 30 days')
export const CostQuery = z.object({
  ...page,
  format,
  from: day,
  to: day,
  group_by: CostGrouping.default('day').describe('What each group is of'),
})

const MAX_U64 = 2n ** 64n - 1n
export const isStreamId = (text: string): boolean =>
  /^\d{1,20}-\d{1,20}$/.test(text) && text.split('-').every((part) => BigInt(part) <= MAX_U64)
const StreamId = z
  .string()
  .refine(isStreamId, { message: 'must be the id of an event, as in 1700000000000-0' })

export const TaskEventsQuery = z.object({
  last_event_id: StreamId.exactOptional().describe('As the header `Last-Event-ID`, which goes before it'),
})
export const SessionEventsQuery = TaskEventsQuery.extend({
  session_id: SessionId,
  replay: z
    .enum(['all', 'none'])
    .exactOptional()
    .describe('What of the past is sent without a `Last-Event-ID`; by default the last 1 000 events'),
})

export const Reason = z.string().max(1000).optional().describe('Shown as the task’s message')
export const CancelTask = z.strictObject({ reason: Reason })

const bulkFilters = {
  session_id: SessionId.optional(),
  status: z
    .array(TaskStatus.extract(['pending', 'running', 'waiting']))
    .min(1)
    .optional(),
  task_ids: z.array(z.string().min(1).max(200)).min(1).max(1000).optional(),
}
export const CancelTasks = z
  .strictObject({ ...bulkFilters, reason: Reason })
  .refine(({ session_id, status, task_ids }) => [session_id, status, task_ids].filter(Boolean).length === 1, {
    message: 'exactly one of session_id, status, task_ids is needed',
  })
export type CancelTasks = z.infer<typeof CancelTasks>

export const ForkSession = z.strictObject({})
