/** What probes and Prometheus ask. Served by the API and, on a port of its own, by each worker. */
import { Hono } from 'hono'
import type { Metrics } from '../metrics.ts'
import type { Health, Probe } from '../schemas/health.ts'
import { type BaseDeps, createBaseApp } from './base-app.ts'
import { Problem } from './problem.ts'
import type { ApiEnv } from './request-id.ts'

export interface OpsDeps {
  health: () => Health | Promise<Health>
  /** Why this process should get no work now; empty when it should. */
  notReady: () => string[] | Promise<string[]>
  metrics: Metrics
}

/** The whole HTTP side of a process that serves nothing else. */
export const createOpsApp = (deps: OpsDeps & BaseDeps): Hono<ApiEnv> =>
  createBaseApp(deps).route('/', opsRoutes(deps))

export const opsRoutes = ({ health, notReady, metrics }: OpsDeps): Hono<ApiEnv> =>
  new Hono<ApiEnv>()
    .get('/health', async (c) => {
      const answer = await health()
      return c.json(answer, answer.status === 'unhealthy' ? 503 : 200)
    })
    // Liveness: that this process answers. Redis being away is no reason to restart it.
    .get('/health/live', (c) => c.json({ status: 'live' } satisfies Probe))
    .get('/health/ready', async (c) => {
      const reasons = await notReady()
      if (reasons.length === 0) return c.json({ status: 'ready' } satisfies Probe)
      throw new Problem(503, 'not_ready', reasons.join('; '), { headers: { 'Retry-After': '1' } })
    })
    .get('/metrics', async (c) => {
      const { contentType, text } = await metrics.render()
      return c.body(text, 200, { 'Content-Type': contentType })
    })
