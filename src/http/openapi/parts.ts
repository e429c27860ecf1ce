/** What the descriptions of routes are made of. */
import { z } from 'zod'
import type { ZodOpenApiPathsObject, ZodOpenApiResponseObject, ZodOpenApiResponsesObject } from 'zod-openapi'
import { ProblemDocument } from '../../schemas/problem.ts'
import { SessionId } from '../../schemas/task.ts'
import { IdempotencyKey } from '../idempotency.ts'
import { PROBLEM_JSON } from '../problem.ts'

export type Paths = ZodOpenApiPathsObject

/** The ids that examples speak of. A test makes these before it executes them. */
export const EXAMPLE = {
  session: 'demo',
  /** Has ended. */
  task: 'task-0b7bb6c5-93a6-4c1e-8f0b-5ff1a9a9a001',
  /** Waits for its turn. */
  nextTask: 'task-0b7bb6c5-93a6-4c1e-8f0b-5ff1a9a9a002',
} as const

export const taskIdPath = (example: string = EXAMPLE.task) =>
  z.object({ id: z.string().meta({ description: 'The task’s `task_id`', example }) })

export const sessionIdPath = z.object({
  id: SessionId.meta({ description: 'The session’s `session_id`', example: EXAMPLE.session }),
})

export const idempotencyHeader = z.object({
  'Idempotency-Key': IdempotencyKey.optional().meta({
    description:
      'Of your making, 1 to 255 characters, kept for 24 hours: the same request with the same key is answered with the first answer and `Idempotent-Replayed: true`',
    override: { minLength: 1, maxLength: 255 },
  }),
})

export const lastEventIdHeader = z.object({
  'Last-Event-ID': z
    .string()
    .optional()
    .describe('The `id` of an event: the stream goes on after it, without a gap or a repeat'),
})

/** An answer in JSON. */
export const json = (
  description: string,
  schema: z.ZodType,
  { example, headers }: { example?: unknown; headers?: z.ZodObject } = {},
): ZodOpenApiResponseObject => ({
  description,
  ...(headers && { headers }),
  content: { 'application/json': { schema, ...(example !== undefined && { example }) } },
})

const linkHeader = z.string().optional().describe('`<…>; rel="next"`: the next page; absent on the last')

/** Of a list that says how long it is. */
export const pageHeaders = z.object({
  Link: linkHeader,
  'X-Total-Count': z.string().optional().describe('Of all pages; absent when a text was asked for'),
})
export const nextHeader = z.object({ Link: linkHeader })

export const replayHeaders = z.object({
  Location: z.string(),
  'Idempotent-Replayed': z.literal('true').optional(),
})

/** Every answer that is no success, those with a reason of their own first. */
export const problems = (known: Record<`${4 | 5}${number}`, string> = {}): ZodOpenApiResponsesObject => ({
  ...Object.fromEntries(Object.entries(known).map(([status, description]) => [status, problem(description)])),
  default: problem(
    'Every other problem: 400 `invalid_request`, 401 `unauthorized`, 403 `foreign_host` or `foreign_origin`, 413, 415, 500, 503 `redis_unavailable` (with `Retry-After`)',
  ),
})

const problem = (description: string): ZodOpenApiResponseObject => ({
  description,
  content: { [PROBLEM_JSON]: { schema: ProblemDocument } },
})
