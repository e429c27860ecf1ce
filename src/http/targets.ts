/** Whom Prometheus is to ask: every API and every worker, in the form of its HTTP service discovery. */
import { Hono } from 'hono'
import type { TargetGroup } from '../schemas/health.ts'
import type { Fleet } from '../tasks/service.ts'
import { noQuery } from './query.ts'
import type { ApiEnv } from './request-id.ts'

/** From memory. `host`: of this process, as heartbeats would name it. */
export const targetRoutes = ({ fleet, host }: { fleet: Fleet; host: string }): Hono<ApiEnv> =>
  new Hono<ApiEnv>().get('/metrics/targets', async (c) => {
    noQuery(c)
    const { apis, workers } = await fleet.snapshot()
    const asked = new URL(`http://${c.req.header('Host') ?? new URL(c.req.url).host}`)
    // What runs beside this API may listen on loopback only, or under a name that the asker does not know.
    const addressOf = (of: { host: string; port: number }) =>
      `${of.host === host ? asked.hostname : of.host}:${of.port}`
    const own = { targets: [`${asked.hostname}:${asked.port || '80'}`], labels: { process: 'api' as const } }
    const group = (process: 'api' | 'worker') => (of: { host: string; port: number }) => ({
      targets: [addressOf(of)],
      labels: { process },
    })
    const groups: TargetGroup[] = [
      ...(apis.length > 0 ? apis.map(group('api')) : [own]),
      ...workers.map(group('worker')),
    ]
    return c.json(groups)
  })
