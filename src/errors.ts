/** The failures every layer may meet. Expected outcomes of one operation are return values, not these. */

/** Redis did not answer in time, or refused (out of memory, read-only): retry later. */
export class RedisUnavailable extends Error {
  override name = 'RedisUnavailable'
  constructor(options?: ErrorOptions) {
    super('Redis is not available', options)
  }
}

/** The activation that wrote no longer owns its task: stop the work and write nothing more. */
export class LeaseLost extends Error {
  override name = 'LeaseLost'
  readonly why: string
  constructor(why: string) {
    super(`this activation no longer owns the task: ${why}`)
    this.why = why
  }
}

/** Only the session's file has it, and it cannot be read. Nothing was changed; a person must look at the file. */
export class SessionNotRestorable extends Error {
  override name = 'SessionNotRestorable'
  constructor(sessionId: string, options?: ErrorOptions) {
    super(`the session ${sessionId} is kept in a file that cannot be read here`, options)
  }
}

export interface FieldError {
  /** Dotted path into the body, or the query parameter's name. */
  path: string
  message: string
}

/** The caller asked for something malformed; nothing was changed. */
export class InvalidRequest extends Error {
  override name = 'InvalidRequest'
  readonly code: string
  readonly errors: FieldError[]
  constructor(code: string, message: string, errors: FieldError[] = []) {
    super(message)
    this.code = code
    this.errors = errors
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
