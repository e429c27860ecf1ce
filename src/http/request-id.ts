import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { MiddlewareHandler } from 'hono'
import type { TraceContext } from '../tracing.ts'

/** Writes the body of an answer whose head has been sent, and ends it. */
export type BodyWriter = (to: ServerResponse) => void

export interface ApiEnv {
  Bindings: {
    /** Set by a handler whose body outlives it: a ReadableStream would cost twice the memory of the connection. */
    write?: BodyWriter
  }
  Variables: {
    requestId: string
    /** Where the spans below this request hang; absent when tracing is off. */
    trace?: TraceContext
  }
}

/** `X-Request-Id` on every answer: the caller's own when it is well formed, else a new one. */
export const requestId: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const given = c.req.header('X-Request-Id')
  const id = given !== undefined && /^[\w.-]{1,128}$/.test(given) ? given : randomUUID()
  c.set('requestId', id)
  c.header('X-Request-Id', id)
  await next()
  // A handler that returned a Response of its own (SSE) has lost what was set above.
  if (!c.res.headers.has('X-Request-Id')) c.header('X-Request-Id', id)
}
