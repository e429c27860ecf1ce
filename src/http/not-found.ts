import type { Hono, NotFoundHandler } from 'hono'
import { Problem } from './problem.ts'
import type { ApiEnv } from './request-id.ts'

/** 404 `route_not_found`; where the path exists, OPTIONS gets its `Allow` and other methods 405 with it. */
export const answerUnrouted = (app: Hono<ApiEnv>): NotFoundHandler<ApiEnv> =>
  function notFound(c) {
    const methods = methodsAt(app, c.req.path)
    const asked = `${c.req.method} ${c.req.path.slice(0, 200)}`
    if (methods.length === 0) throw new Problem(404, 'route_not_found', `no such route: ${asked}`)
    const allow = { Allow: methods.join(', ') }
    if (c.req.method === 'OPTIONS') return c.body(null, 204, allow)
    throw new Problem(405, 'method_not_allowed', `${asked} is not possible; allowed: ${allow.Allow}`, {
      headers: allow,
    })
  }

const methodsAt = (app: Hono<ApiEnv>, path: string): string[] => {
  const methods = new Set(
    app.routes
      .filter((route) => route.method !== 'ALL' && matches(route.path, path))
      .map(({ method }) => method),
  )
  if (methods.size === 0) return []
  if (methods.has('GET')) methods.add('HEAD')
  return [...methods.add('OPTIONS')].toSorted()
}

const matches = (pattern: string, path: string): boolean => {
  const wanted = pattern.split('/')
  const given = path.split('/')
  return (
    wanted.length === given.length &&
    wanted.every((part, i) => (part.startsWith(':') ? given[i] !== '' : part === given[i]))
  )
}
