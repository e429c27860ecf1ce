import type { MiddlewareHandler } from 'hono'
import type { TraceContext, Tracing } from '../tracing.ts'
import { routePattern } from './observed.ts'
import type { ApiEnv } from './request-id.ts'

/** A span a request, below the caller's when its `traceparent` names one. A stream's ends when its headers are sent. */
export const traced = (tracing: Tracing): MiddlewareHandler<ApiEnv> =>
  async function trace(c, next) {
    if (!tracing.on) return next()
    const { method, path } = c.req
    const span = tracing.start(method, {
      kind: 'server',
      parent: callersContext((name) => c.req.header(name)),
      attributes: { 'http.request.method': method, 'url.path': path, 'alex.request_id': c.get('requestId') },
    })
    if (span.context) c.set('trace', span.context)
    await next()
    const route = routePattern(c)
    span.name(`${method} ${route}`)
    span.set({ 'http.route': route, 'http.response.status_code': c.res.status })
    if (c.res.status >= 500) span.fail(String(c.res.status))
    span.end()
  }

const callersContext = (header: (name: string) => string | undefined): TraceContext | undefined => {
  const traceparent = header('traceparent')
  const tracestate = header('tracestate')
  if (traceparent === undefined) return undefined
  return { traceparent, ...(tracestate !== undefined && { tracestate }) }
}
