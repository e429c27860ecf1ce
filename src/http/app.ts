import type { Hono } from 'hono'
import type { Presets } from '../schemas/preset.ts'
import type { CostService, Fleet, SessionService, TaskService } from '../tasks/service.ts'
import { NO_TRACING, type Tracing } from '../tracing.ts'
import { type BaseDeps, createBaseApp } from './base-app.ts'
import { consoleRoutes } from './console-routes.ts'
import { costRoutes } from './cost-routes.ts'
import { type EventStream, eventRoutes } from './event-routes.ts'
import { fleetRoutes } from './fleet-routes.ts'
import { createHealth, judge, reasonsNotReady } from './health.ts'
import { type McpDeps, mcpRoutes } from './mcp/mcp-routes.ts'
import { docsRoutes } from './openapi/docs-routes.ts'
import { opsRoutes } from './ops.ts'
import type { ApiEnv } from './request-id.ts'
import { sessionRoutes } from './session-routes.ts'
import { targetRoutes } from './targets.ts'
import { taskRoutes } from './task-routes.ts'
import { traced } from './traced.ts'

export interface AppDeps extends BaseDeps {
  tasks: TaskService
  sessions: SessionService
  costs: CostService
  fleet: Fleet
  presets: () => Promise<Presets>
  eventStream: EventStream
  cancelledCalls: McpDeps['cancelledCalls']
  /** Where the built web console is, or will be. */
  webFolder: string
  version: string
  /** The name of this machine, as heartbeats have it. */
  host: string
  isDraining: () => boolean
  /** Absent: off. */
  tracing?: Tracing
  /** Ends long polls early when this process leaves. */
  stopping?: AbortSignal
}

/** The API as a value; it listens to nothing and owns nothing. */
export const createApp = (deps: AppDeps): Hono<ApiEnv> => {
  const health = createHealth(deps)
  const notReady = async () => reasonsNotReady(await deps.fleet.snapshot(), deps.isDraining())
  deps.metrics.observeFleet(async () => {
    const fleet = await deps.fleet.snapshot()
    return { ...fleet, health: judge(fleet) }
  })
  const trace = traced(deps.tracing ?? NO_TRACING)
  return createBaseApp(deps)
    .use('/api/*', trace)
    .use('/mcp', trace)
    .route('/', opsRoutes({ health, notReady, metrics: deps.metrics }))
    .route('/', targetRoutes(deps))
    .route('/', eventRoutes(deps))
    .route('/', taskRoutes(deps))
    .route('/', sessionRoutes(deps))
    .route('/', costRoutes(deps))
    .route('/', fleetRoutes(deps))
    .route('/', mcpRoutes(deps))
    .route('/', docsRoutes(deps))
    .route('/', consoleRoutes(deps))
}
