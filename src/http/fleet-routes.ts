import { Hono } from 'hono'
import type { Presets } from '../schemas/preset.ts'
import type { Fleet } from '../tasks/service.ts'
import { noQuery } from './query.ts'
import type { ApiEnv } from './request-id.ts'

interface FleetDeps {
  fleet: Fleet
  presets: () => Promise<Presets>
}

export const fleetRoutes = ({ fleet, presets }: FleetDeps): Hono<ApiEnv> =>
  new Hono<ApiEnv>()
    .get('/api/workers', async (c) => {
      noQuery(c)
      return c.json(await fleet.workers())
    })
    .get('/api/presets', async (c) => {
      noQuery(c)
      return c.json(await presets())
    })
