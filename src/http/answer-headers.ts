import type { MiddlewareHandler } from 'hono'
import type { ApiEnv } from './request-id.ts'

const DEFAULTS = Object.entries({ 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' })

/** What every answer carries unless its handler says otherwise. */
export const answerHeaders: MiddlewareHandler<ApiEnv> = async (c, next) => {
  for (const [name, value] of DEFAULTS) c.header(name, value)
  await next()
  // A handler that returned a Response of its own (SSE) has lost what was set above.
  for (const [name, value] of DEFAULTS) {
    if (!c.res.headers.has(name)) c.header(name, value)
  }
}
