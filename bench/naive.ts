/** The yardstick `naive` in as many processes as the service has. */
import { createClient } from './client.ts'
import type { Place } from './place.ts'

export const startNaive = async (place: Place, { workers, slots }: { workers: number; slots: number }) => {
  const env = {
    REDIS_URL: place.socket,
    CONCURRENCY: String(slots),
    OPENAI_BASE_URL: place.modelUrl,
    OPENAI_API_KEY: 'sk-bench',
  }
  const api = place.node('bench/yardsticks/naive.ts', env, ['api'])
  const running = Array.from({ length: workers }, () =>
    place.node('bench/yardsticks/naive.ts', env, ['worker']),
  )
  const client = createClient(await api.line())
  await Promise.all(running.map((worker) => worker.line()))
  return {
    client,
    pids: { api: api.pid, workers: running.map(({ pid }) => pid) },
    completed: async () => (await client.get<{ completed: number }>('/api/tasks/stats')).completed,
    async [Symbol.asyncDispose]() {
      client.close()
      await Promise.all([api, ...running].map((process) => process.stop()))
    },
  }
}
