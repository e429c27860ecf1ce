import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type NodeProcess, startNodeProcess } from './node-process.ts'

export interface WorkerOptions {
  redisUrl: string
  prefix: string
  workspace: string
  /** Of an OpenAI-compatible endpoint; without it the offline model answers. */
  baseUrl?: string
  env?: Record<string, string>
}

/** A real worker process, ready to take tickets; killed when the test ends. */
export const startWorkerProcess = async (options: WorkerOptions): Promise<NodeProcess> => {
  const worker = await startNodeProcess('workers/main.ts', {
    REDIS_URL: options.redisUrl,
    ALEX_REDIS_PREFIX: options.prefix,
    ALEX_WORKSPACE_DIR: options.workspace,
    ...(options.baseUrl === undefined ? {} : { OPENAI_BASE_URL: options.baseUrl, OPENAI_API_KEY: 'sk-test' }),
    ...options.env,
  })
  await worker.untilLogged('[DI] worker started')
  return worker
}

/** An empty folder for tools, with its real path; removed when the test ends. */
export const makeWorkspace = async (): Promise<string> => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'alex-test-workspace-')))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}
