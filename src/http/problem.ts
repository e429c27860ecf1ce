/** RFC 9457 answers, and the one place that maps failures to HTTP. */
import { STATUS_CODES } from 'node:http'
import type { Context, ErrorHandler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { type FieldError, InvalidRequest, RedisUnavailable, SessionNotRestorable } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ProblemDocument } from '../schemas/problem.ts'
import type { ApiEnv } from './request-id.ts'
import { subjectOf } from './subject.ts'

/** The longest list of field errors one answer carries. */
const MAX_ERRORS = 50
const RETRY_AFTER_S = '1'
/** A person must look at the file first. */
const RESTORE_RETRY_AFTER_S = '60'

export const PROBLEM_JSON = 'application/problem+json'

/** Thrown by handlers and middleware for every answer that is not a success. `code` is part of the contract. */
export class Problem extends Error {
  override name = 'Problem'
  readonly status: ContentfulStatusCode
  readonly code: string
  readonly errors: FieldError[]
  readonly headers: Record<string, string>
  constructor(
    status: ContentfulStatusCode,
    code: string,
    detail: string,
    { errors = [], headers = {} }: { errors?: FieldError[]; headers?: Record<string, string> } = {},
  ) {
    super(detail)
    this.status = status
    this.code = code
    this.errors = errors
    this.headers = headers
  }
}

export const taskNotFound = (taskId: string): Problem =>
  new Problem(404, 'task_not_found', `no task has the id ${taskId.slice(0, 200)}`)

export const sessionNotFound = (sessionId: string): Problem =>
  new Problem(404, 'session_not_found', `no session has the id ${sessionId}`)

/** For `app.onError`: answers whatever was thrown. Only the unexpected is logged, with its stack. */
export const answerErrors = (deps: { redact: (text: string) => string; log: Log }): ErrorHandler<ApiEnv> =>
  function answerError(error, c) {
    const problem = problemOf(error)
    if (problem.status === 500)
      deps.log.error({ request_id: c.get('requestId'), ...subjectOf(c), err: error }, 'request failed')
    return answerProblem(c, problem, deps.redact)
  }

/** What the caller is told of a failure; 500 `internal_error` for anything unexpected. */
export const problemOf = (error: unknown): Problem => {
  if (error instanceof Problem) return error
  if (error instanceof InvalidRequest) {
    return new Problem(400, error.code, error.message, { errors: error.errors })
  }
  if (error instanceof RedisUnavailable) {
    return new Problem(
      503,
      'redis_unavailable',
      'the store did not answer in time; a change may have been accepted: retry it with the same Idempotency-Key',
      { headers: { 'Retry-After': RETRY_AFTER_S } },
    )
  }
  if (error instanceof SessionNotRestorable) {
    return new Problem(503, 'session_not_restorable', error.message, {
      headers: { 'Retry-After': RESTORE_RETRY_AFTER_S },
    })
  }
  return new Problem(500, 'internal_error', 'something went wrong here; the log has it under this request_id')
}

const answerProblem = (c: Context<ApiEnv>, problem: Problem, redact: (text: string) => string): Response =>
  c.body(JSON.stringify(bodyOf(problem, redact, c.get('requestId'))), problem.status, {
    ...problem.headers,
    'Content-Type': PROBLEM_JSON,
  })

/** The problem document itself. */
export const bodyOf = (
  problem: Problem,
  redact: (text: string) => string,
  requestId: string,
): ProblemDocument => ({
  type: 'about:blank',
  title: STATUS_CODES[problem.status] ?? 'Error',
  status: problem.status,
  detail: redact(problem.message),
  code: problem.code,
  ...(problem.errors.length > 0 && {
    errors: problem.errors
      .slice(0, MAX_ERRORS)
      .map(({ path, message }) => ({ path: redact(path), message: redact(message) })),
  }),
  request_id: requestId,
})
