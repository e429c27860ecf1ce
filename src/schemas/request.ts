/** What the routes take: query parameters, which arrive as strings, and bodies (`CreateTask` stands with the task). */
import { z } from 'zod'
import { CostGrouping } from './cost.ts'
import { SessionId, TaskStatus } from './task.ts'

export const MAX_PAGE = 1000
/** The longest a caller may wait for a task in one request, in seconds. */
export const MAX_WAIT_S = 60

/** A whole number in this range. */
const wholeNumber = (from: number, to: number) =>
  z
    .string()
    .refine((text) => /^\d{1,9}$/.test(text) && Number(text) >= from && Number(text) <= to, {
      message: `must be a whole number from ${from} to ${to}`,
    })
    .transform(Number)

/** Of every paged list. The cursor is opaque: its maker judges it. */
const page = {
  limit: wholeNumber(1, MAX_PAGE).default(MAX_PAGE),
  cursor: z.string().min(1).max(1000).exactOptional(),
}
export const PageQuery = z.object(page)

/** Which tasks a list shows. */
export const taskFilters = {
  status: z.array(TaskStatus).exactOptional(),
  session_id: SessionId.exactOptional(),
  q: z.string().max(1000).exactOptional(),
}
export const TaskListQuery = z.object({ ...page, ...taskFilters })

const WAIT_RULE = { message: `must be a number of seconds from 0 to ${MAX_WAIT_S}` }
export const TaskQuery = z.object({
  wait_s: z
    .string()
    .refine((text) => /^\d{1,2}(\.\d{1,3})?$/.test(text) && Number(text) <= MAX_WAIT_S, WAIT_RULE)
    .transform(Number)
    .default(0),
})

export const SessionListQuery = z.object({ ...page, q: z.string().max(1000).exactOptional() })

/** Before what the client would rather have. */
const format = z.enum(['json', 'csv']).exactOptional()
export const SessionCostQuery = z.object({ format })

/** The UTC day of a date or a time. */
const day = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })], {
    error: 'must be a date (2026-01-31) or an RFC 3339 time',
  })
  .transform((text) => new Date(text).toISOString().slice(0, 10))
  .exactOptional()
export const CostQuery = z.object({
  ...page,
  format,
  from: day,
  to: day,
  group_by: CostGrouping.default('day'),
})

const MAX_U64 = 2n ** 64n - 1n
export const isStreamId = (text: string): boolean =>
  /^\d{1,20}-\d{1,20}$/.test(text) && text.split('-').every((part) => BigInt(part) <= MAX_U64)
const StreamId = z
  .string()
  .refine(isStreamId, { message: 'must be the id of an event, as in 1700000000000-0' })

export const TaskEventsQuery = z.object({ last_event_id: StreamId.exactOptional() })
export const SessionEventsQuery = TaskEventsQuery.extend({
  session_id: SessionId,
  replay: z.enum(['all', 'none']).exactOptional(),
})

export const Reason = z.string().max(1000).optional()
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
