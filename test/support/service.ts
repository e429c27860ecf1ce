import { LLMock } from '@copilotkit/aimock'
import { onTestFinished } from 'vitest'
import type { Task, TaskCreated } from '../../src/schemas/task.ts'
import { type ApiOptions, startApi } from './api.ts'
import { makeWorkspace, startWorkerProcess } from './worker.ts'

/** API, model server and workspace of one test; workers are real processes, started on demand. */
export const startService = async (options: ApiOptions = {}) => {
  const api = await startApi(options)
  onTestFinished(() => api[Symbol.asyncDispose]())
  const model = new LLMock({ port: 0, logLevel: 'silent' })
  await model.start()
  onTestFinished(() => model.stop())
  const workspace = await makeWorkspace()

  const json = async <T>(path: string, init?: RequestInit): Promise<T> =>
    (await (await api.request(path, init)).json()) as T
  const post = <T>(path: string, body: object = {}): Promise<T> =>
    json<T>(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })

  return {
    ...api,
    model,
    workspace,
    json,
    post,
    startWorker: (env: Record<string, string> = {}) =>
      startWorkerProcess({
        redisUrl: api.url_redis,
        prefix: api.prefix,
        workspace,
        baseUrl: `${model.url}/v1`,
        env,
      }),
    submit: (body: object) => post<TaskCreated>('/api/tasks', body),
    /** The task once it has ended. */
    async ended(taskId: string): Promise<Task> {
      for (;;) {
        const task = await json<Task>(`/api/tasks/${taskId}?wait_s=30`)
        if (task.completed_at !== undefined) return task
      }
    },
  }
}

/** A scripted answer that asks for tools. */
export const calls = (...list: [name: string, args: object | string][]) => ({
  toolCalls: list.map(([name, args]) => ({
    name,
    arguments: typeof args === 'string' ? args : JSON.stringify(args),
  })),
})
