import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { ApiEnv } from './request-id.ts'
import { subjectOf } from './subject.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** One log line and one measurement a request. A stream counts when its headers are sent. */
export const observed = ({ log, metrics }: { log: Log; metrics: Metrics }): MiddlewareHandler<ApiEnv> =>
  async function observe(c, next) {
    const start = performance.now()
    await next()
    const seconds = (performance.now() - start) / 1000
    const method = METHODS.includes(c.req.method) ? c.req.method : 'other'
    const route = routePattern(c)
    const status = c.res.status
    metrics.httpRequests.inc({ method, route, status })
    metrics.httpDuration.observe({ method, route }, seconds)
    const fields = {
      request_id: c.get('requestId'),
      ...subjectOf(c),
      method,
      route,
      status,
      ms: Math.round(seconds * 10_000) / 10,
    }
    // A probe that is answered "not now" is no failure of ours; a change of health has a line of its own.
    const level = status >= 500 && !route.startsWith('/health') ? 'info' : 'debug'
    log[level](fields, 'request')
  }

/** `/api/tasks/:id`, never the path itself, so that labels stay few. */
export const routePattern = (c: Context): string =>
  matchedRoutes(c).find((route) => route.method !== 'ALL')?.path ?? 'unmatched'
