import type { Context } from 'hono'
import { z } from 'zod'
import { wholeNumber } from './query.ts'

export const MAX_PAGE = 1000

/** The query parameters of every paged list. The cursor is opaque: its maker judges it. */
export const pageQuery = {
  limit: wholeNumber(1, MAX_PAGE).default(MAX_PAGE),
  cursor: z.string().min(1).max(1000).exactOptional(),
}

/** `Link: <…>; rel="next"`: the request's own URL with the next cursor. Nothing on the last page. */
export const linkNext = (c: Context, next: string | undefined): void => {
  if (next === undefined) return
  const url = new URL(c.req.url)
  // Behind a proxy that ends TLS the request reaches us as http.
  if (c.req.header('X-Forwarded-Proto') === 'https') url.protocol = 'https:'
  url.searchParams.set('cursor', next)
  c.header('Link', `<${url.href}>; rel="next"`)
}
