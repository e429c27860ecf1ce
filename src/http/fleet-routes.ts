import { Hono } from 'hono'
import type { Fleet } from '../tasks/service.ts'
import { noQuery } from './query.ts'
import type { ApiEnv } from './request-id.ts'

export interface Presets {
  agent_presets: { name: string; description: string }[]
  tool_presets: { name: string; description: string; allowed: string[]; denied: string[] }[]
}

export const fleetRoutes = ({ fleet, presets }: { fleet: Fleet; presets: () => Presets }): Hono<ApiEnv> =>
  new Hono<ApiEnv>()
    .get('/api/workers', async (c) => {
      noQuery(c)
      return c.json(await fleet.workers())
    })
    .get('/api/presets', (c) => {
      noQuery(c)
      return c.json(presets())
    })
