import type { Context } from 'hono'

/** `Link: <…>; rel="next"`: the request's own URL with the next cursor. Nothing on the last page. */
export const linkNext = (c: Context, next: string | undefined): void => {
  if (next === undefined) return
  const url = new URL(c.req.url)
  // Behind a proxy that ends TLS the request reaches us as http.
  if (c.req.header('X-Forwarded-Proto') === 'https') url.protocol = 'https:'
  url.searchParams.set('cursor', next)
  c.header('Link', `<${url.href}>; rel="next"`)
}
