/** API and workers as real processes over a Redis of the test's own, with a model that follows a script. */
import { LLMock } from '@copilotkit/aimock'
import { onTestFinished } from 'vitest'
import type { Task, TaskCreated } from '../../src/schemas/task.ts'
import { freePort } from './free-port.ts'
import { startNodeProcess } from './node-process.ts'
import { eventually } from './processes.ts'
import { openStore } from './redis.ts'
import { startRedisServer } from './redis-server.ts'
import { makeWorkspace, startWorkerProcess } from './worker.ts'

const PREFIX = '{alex}'

export const startFleet = async (options: { redisRunning?: boolean } = {}) => {
  const redis = await startRedisServer({ running: options.redisRunning ?? true })
  onTestFinished(() => redis[Symbol.asyncDispose]())
  const model = new LLMock({ port: 0, logLevel: 'silent' })
  await model.start()
  onTestFinished(() => model.stop())
  const workspace = await makeWorkspace()
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`

  const request = (path: string, init?: RequestInit) => fetch(`${url}${path}`, init)
  const post = (path: string, body: object = {}) =>
    request(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
  const json = async <T>(path: string): Promise<T> => (await (await request(path)).json()) as T

  return {
    redis,
    model,
    workspace,
    url,
    request,
    post,
    json,
    /** Resolves when it listens. */
    async startApi(env: Record<string, string> = {}) {
      const api = await startNodeProcess('src/http/main.ts', {
        REDIS_URL: redis.url,
        ALEX_REDIS_PREFIX: PREFIX,
        PORT: String(port),
        ...env,
      })
      await api.untilLogged('[DI] API listening')
      return api
    },
    startWorker: (env: Record<string, string> = {}) =>
      startWorkerProcess({
        redisUrl: redis.url,
        prefix: PREFIX,
        workspace,
        baseUrl: `${model.url}/v1`,
        env,
      }),
    /** A view on the same keys; only while Redis runs. */
    openStore() {
      const open = openStore({ url: redis.url, prefix: PREFIX })
      onTestFinished(() => {
        open.feed[Symbol.dispose]()
        open.redis.disconnect()
      })
      return open
    },
    async submit(body: object): Promise<TaskCreated> {
      const answer = await post('/api/tasks', body)
      if (!answer.ok) throw new Error(`not accepted: ${answer.status} ${await answer.text()}`)
      return (await answer.json()) as TaskCreated
    },
    /** The task once it has ended; an API that is not ready yet is asked again. */
    async ended(taskId: string): Promise<Task> {
      let task: Task | undefined
      await eventually(async () => {
        const answer = await request(`/api/tasks/${taskId}?wait_s=10`)
        if (answer.status === 404) throw new Error(`${taskId} is gone`)
        if (answer.ok) task = (await answer.json()) as Task
        return task?.completed_at !== undefined
      })
      return task as Task
    },
    ready: () => eventually(async () => (await request('/health/ready')).ok),
  }
}
export type Fleet = Awaited<ReturnType<typeof startFleet>>
