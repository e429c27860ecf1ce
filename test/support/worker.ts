import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

export interface WorkerProcess {
  pid: number
  /** Sends the signal and resolves when the process is gone. Its exit code, null when a signal ended it. */
  end: (signal: NodeJS.Signals) => Promise<number | null>
}

export interface WorkerOptions {
  redisUrl: string
  prefix: string
  workspace: string
  /** Of an OpenAI-compatible endpoint; without it the offline model answers. */
  baseUrl?: string
  env?: Record<string, string>
}

/** A real worker process, ready to take tickets; killed when the test ends. */
export const startWorkerProcess = async (options: WorkerOptions): Promise<WorkerProcess> => {
  const home = await mkdtemp(join(tmpdir(), 'alex-test-home-'))
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../workers/main.ts')], {
    cwd: home,
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      ALEX_HOME: join(home, 'alex'),
      REDIS_URL: options.redisUrl,
      ALEX_REDIS_PREFIX: options.prefix,
      ALEX_WORKSPACE_DIR: options.workspace,
      ALEX_LOG_FORMAT: 'json',
      ...(options.baseUrl === undefined
        ? {}
        : { OPENAI_BASE_URL: options.baseUrl, OPENAI_API_KEY: 'sk-test' }),
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = once(child, 'exit') as Promise<[number | null]>
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    return (await gone)[0]
  }
  onTestFinished(async () => {
    await end('SIGKILL')
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  })
  const lines = createInterface({ input: child.stdout })
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      if (line.includes('[DI] worker started')) resolve()
    })
    void gone.then(([code]) => reject(new Error(`the worker ended at its start with ${code}`)))
  })
  return { pid: child.pid ?? 0, end }
}

/** An empty folder for tools, with its real path; removed when the test ends. */
export const makeWorkspace = async (): Promise<string> => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'alex-test-workspace-')))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}
