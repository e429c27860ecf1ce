import { once } from 'node:events'
import type { Hono } from 'hono'
import { expect } from 'vitest'
import { z } from 'zod'
import type { Access } from '../../src/http/access.ts'
import { createBaseApp } from '../../src/http/base-app.ts'
import { createHttpServer } from '../../src/http/http-server.ts'
import type { ApiEnv } from '../../src/http/request-id.ts'
import type { Log } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'

export interface Line {
  level: string
  fields: Record<string, unknown>
  message: string
}

/** A log that keeps its lines. */
export const recordedLog = (lines: Line[] = []): Log & { lines: Line[] } => {
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields: { ...fields }, message })
  }
  return {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => recordedLog(lines),
  }
}

export const SECRET = 'sk-verysecret'

/** The bare app that every server is built on; tests add trivial routes. */
export const bareApp = (access: Partial<Access> = {}) => {
  const log = recordedLog()
  const metrics = createMetrics({ version: '1.2.3' })
  const app = createBaseApp({
    access: { tokens: [], allowedHosts: [], metricsPublic: false, ...access },
    redact: (text) => text.replaceAll(SECRET, '***'),
    log,
    metrics,
  })
  return { app, log, metrics }
}

/** The app on a free loopback port. */
export const listening = async (app: Hono<ApiEnv>) => {
  const server = createHttpServer(app)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = z.object({ port: z.number() }).parse(server.address())
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const ProblemBody = z.strictObject({
  type: z.literal('about:blank'),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  request_id: z.string(),
})

/** The problem that this answer carries; fails unless it is a whole RFC 9457 answer that agrees with its headers. */
export const problemIn = async (answer: Response) => {
  expect(answer.headers.get('Content-Type')).toBe('application/problem+json')
  const problem = ProblemBody.parse(await answer.json())
  expect([problem.status, problem.request_id]).toEqual([answer.status, answer.headers.get('X-Request-Id')])
  return problem
}
