/** Serves the web console. Its files hold no secret and need no token; what it shows comes from the API, which asks for one. */
import { type Context, Hono } from 'hono'
import { type ConsoleFile, openConsole } from './console-files.ts'
import { CONSOLE_PAGES } from './console-paths.ts'
import { Problem } from './problem.ts'
import type { ApiEnv } from './request-id.ts'

/** Nothing but files of this very origin; no inline script or style, no HTML made from text. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types default',
].join('; ')

const PAGE_HEADERS = {
  'Content-Security-Policy': POLICY,
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
}
/** Names of files below `/assets/` change with their content. */
const FOR_EVER = 'public, max-age=31536000, immutable'
const ASK_AGAIN = 'no-cache'

const NOT_BUILT = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>ALEX</title>
<h1>ALEX</h1>
<p>The API runs; its web console is not built. Build it with <code>npm run build:web</code> and load this page again.</p>
</html>
`

/** `webFolder`: where `npm run build:web` writes. */
export const consoleRoutes = ({ webFolder }: { webFolder: string }): Hono<ApiEnv> => {
  const files = openConsole(webFolder)

  const page = (c: Context) => {
    const index = files()?.get('/index.html')
    if (index !== undefined) return answer(c, index, ASK_AGAIN)
    return c.html(NOT_BUILT, 503, { ...PAGE_HEADERS, 'Retry-After': '5' })
  }
  const file = (caching: string) => (c: Context) => {
    const found = files()?.get(c.req.path)
    if (found === undefined) throw new Problem(404, 'route_not_found', 'no such file of the web console')
    return answer(c, found, caching)
  }

  const app = new Hono<ApiEnv>()
  for (const path of CONSOLE_PAGES) app.get(path, page)
  return app.get('/assets/:file', file(FOR_EVER)).get('/favicon.svg', file(ASK_AGAIN))
}

const answer = (c: Context, file: ConsoleFile, caching: string): Response => {
  const headers = {
    ...PAGE_HEADERS,
    'Cache-Control': caching,
    ETag: file.etag,
    Vary: 'Accept-Encoding',
  }
  if (knows(c.req.header('If-None-Match'), file.etag)) return c.body(null, 304, headers)
  const { coding, body } = bodyFor(file, c.req.header('Accept-Encoding') ?? '')
  return c.body(body, 200, {
    ...headers,
    'Content-Type': file.type,
    'Content-Length': String(body.byteLength),
    ...(coding !== 'identity' && { 'Content-Encoding': coding }),
  })
}

const knows = (asked: string | undefined, etag: string): boolean =>
  (asked ?? '').split(',').some((each) => each.trim().replace(/^W\//, '') === etag)

const CODINGS = ['br', 'gzip'] as const

const bodyFor = ({ bodies }: ConsoleFile, accepted: string) => {
  for (const coding of CODINGS) {
    const body = bodies[coding]
    if (body !== undefined && accepts(accepted, coding)) return { coding, body }
  }
  return { coding: 'identity' as const, body: bodies.identity }
}

const accepts = (header: string, coding: string): boolean =>
  header.split(',').some((each) => {
    const [name, ...parameters] = each.split(';').map((part) => part.trim().toLowerCase())
    return name === coding && !parameters.some((part) => /^q=0(\.0*)?$/.test(part))
  })
