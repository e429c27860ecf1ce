import type { ProblemDocument } from '../schemas/problem.ts'

/**
 * What the server answered in place of success; `status` 0 and the code `unreachable` when nobody answered.
 * `code` is stable: what programs look at. `message` is for people.
 */
export class AlexError extends Error {
  override name = 'AlexError'
  readonly status: number
  readonly code: string
  readonly detail: string
  /** By which the server's log knows the request. */
  readonly request_id: string | undefined
  /** What is wrong with which field of the request. */
  readonly errors: NonNullable<ProblemDocument['errors']>
  /** When the server says so. */
  readonly retryAfterMs: number | undefined

  constructor(
    problem: Pick<ProblemDocument, 'status' | 'code' | 'detail'> & Partial<ProblemDocument>,
    options: ErrorOptions & { retryAfterMs?: number | undefined } = {},
  ) {
    const fields = (problem.errors ?? []).map(({ path, message }) => `\n  ${path}: ${message}`)
    super(problem.detail + fields.join(''), options)
    this.status = problem.status
    this.code = problem.code
    this.detail = problem.detail
    this.request_id = problem.request_id
    this.errors = problem.errors ?? []
    this.retryAfterMs = options.retryAfterMs
  }

  /** Whether the same request may succeed a little later. */
  get isTransient(): boolean {
    return this.status === 0 || this.status >= 500 || this.status === 429 || this.status === 408
  }
}

export const unreachable = (baseUrl: string, cause: unknown): AlexError =>
  new AlexError(
    { status: 0, code: 'unreachable', detail: `nobody answers at ${baseUrl || 'this address'}` },
    { cause },
  )

/** Reads an answer that is no success; a proxy on the way may have written it. */
export const errorOf = async (response: Response): Promise<AlexError> => {
  const text = await response.text().catch(() => '')
  const seconds = Number(response.headers.get('Retry-After') ?? Number.NaN)
  const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : undefined
  const request_id = response.headers.get('X-Request-Id') ?? undefined
  const problem = problemIn(text) ?? {
    code: 'http_error',
    detail: `HTTP ${response.status} ${text.slice(0, 200)}`.trim(),
  }
  return new AlexError(
    { ...(request_id !== undefined && { request_id }), ...problem, status: response.status },
    { retryAfterMs },
  )
}

const problemIn = (text: string): Pick<ProblemDocument, 'code' | 'detail'> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isProblem(value) ? value : undefined
  } catch {
    return undefined
  }
}

const isProblem = (value: unknown): value is ProblemDocument =>
  typeof value === 'object' &&
  value !== null &&
  'code' in value &&
  typeof value.code === 'string' &&
  'detail' in value &&
  typeof value.detail === 'string'
