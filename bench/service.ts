/** The service in the processes it has in production. */
import { join } from 'node:path'
import { freePort } from '../test/support/free-port.ts'
import { createClient } from './client.ts'
import type { Place, Started } from './place.ts'

export interface ServiceOptions {
  workers: number
  /** Tasks at once of each worker. */
  slots: number
  /** Settings of API and workers. */
  env?: Record<string, string>
}

let made = 0

/** API and workers, each a process; ready when every worker has beaten. */
export const startService = async (place: Place, { workers, slots, env = {} }: ServiceOptions) => {
  made += 1
  const home = join(place.folder, `alex-${made}`)
  const port = await freePort()
  const variables = {
    REDIS_URL: place.socket,
    ALEX_REDIS_PREFIX: `{alex-${made}}`,
    ALEX_HOME: home,
    ALEX_SESSION_DIR: join(home, 'sessions'),
    ALEX_COST_DIR: join(home, 'costs'),
    ALEX_WORKSPACE_DIR: place.folder,
    ALEX_ENABLE_MCP: 'false',
    ALEX_LOG_FORMAT: 'json',
    ALEX_WORKER_CONCURRENCY: String(slots),
    OPENAI_BASE_URL: place.modelUrl,
    OPENAI_API_KEY: 'sk-bench',
    PORT: String(port),
    ...env,
  }
  const client = createClient(`http://127.0.0.1:${port}`)
  const api = place.node('src/http/main.ts', variables)
  const startWorker = () => place.node('workers/main.ts', variables)
  const running: Started[] = Array.from({ length: workers }, startWorker)
  const ready = async (count: number) => {
    await place.until('worker', async () => {
      const known = await client.get<unknown[]>('/api/workers')
      return known.length === count ? true : undefined
    })
  }
  await ready(workers)
  return {
    url: client.url,
    client,
    prefix: variables.ALEX_REDIS_PREFIX,
    /** What its processes were started with, for more of them. */
    settings: variables,
    pids: { api: api.pid, workers: running.map(({ pid }) => pid) },
    async completed(): Promise<number> {
      const stats = await client.get<{ completed: number; failed: number }>('/api/tasks/stats')
      if (stats.failed > 0) throw new Error(`${stats.failed} tasks failed`)
      return stats.completed
    },
    /** Leaves as in production, so that a profile is written. */
    async [Symbol.asyncDispose]() {
      client.close()
      await Promise.all([api, ...running].map((process) => process.stop('SIGTERM')))
    },
  }
}
