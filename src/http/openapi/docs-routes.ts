/**
 * The API described, for programs and for people. The same for every instance of a release, without anything of
 * this one: a browser may load it without a token, and sends one with what is tried out.
 */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Hono } from 'hono'
import { noQuery } from '../query.ts'
import type { ApiEnv } from '../request-id.ts'
import { createApiDocument } from './document.ts'

/** Nothing from elsewhere; the viewer sets styles of its own while it draws. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ALEX API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<main id="api"></main>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`

/** The token stays in memory, and no validator elsewhere is asked. */
const START = `SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#api',
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
})
`

const ASSETS = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
}

export const docsRoutes = ({ version }: { version: string }): Hono<ApiEnv> => {
  const viewer = import.meta.resolve('swagger-ui-dist/package.json')
  let made: string | undefined
  const routes = new Hono<ApiEnv>()
    .get('/openapi.json', (c) => {
      noQuery(c)
      made ??= JSON.stringify(createApiDocument({ version }))
      return c.body(made, 200, { 'Content-Type': 'application/json' })
    })
    .get('/docs', (c) => c.html(PAGE, 200, { 'Content-Security-Policy': POLICY }))
    .get('/docs/start.js', (c) => c.body(START, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }))
  for (const [name, type] of Object.entries(ASSETS)) {
    const path = fileURLToPath(new URL(name, viewer))
    routes.get(`/docs/${name}`, async (c) =>
      c.body(await readFile(path), 200, { 'Content-Type': type, 'Cache-Control': 'private, max-age=3600' }),
    )
  }
  return routes
}
