/** The whole service as its user starts it, with a home of its own and a workspace for every session. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { SessionCost } from '../../src/schemas/cost.ts'
import type { CreateTask, Task, TaskCreated, TaskSummary } from '../../src/schemas/task.ts'
import { freePort } from '../support/free-port.ts'

export interface ServiceOptions {
  /** All that is written is below it. */
  folder: string
  /** Absent: OpenAI's. */
  baseUrl?: string
  apiKey?: string
  /** A configuration file, for prices, sampling or the window of the model. */
  config?: string
  /** Tasks at once. */
  slots: number
}

const ROOT = join(import.meta.dirname, '../..')
const READY_MS = 60_000
const STOP_MS = 30_000
const TAIL_CHARS = 2_000

export const startService = async ({ folder, baseUrl, apiKey, config, slots }: ServiceOptions) => {
  const home = join(await realpath(folder), 'alex')
  const cwd = join(folder, 'home')
  await Promise.all([home, cwd].map((each) => mkdir(each, { recursive: true })))
  const url = `http://127.0.0.1:${await freePort()}`
  const logFile = join(folder, 'service.log')
  await using log = await open(logFile, 'a')
  const child = spawn(process.execPath, [join(ROOT, 'src/main.ts')], {
    cwd,
    env: {
      // The tasks' own `node` is the one that runs this.
      PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
      ...wayOut(),
      HOME: cwd,
      LANG: 'C.UTF-8',
      ALEX_HOME: home,
      ALEX_WORKSPACE_DIR: 'per-session',
      ALEX_WORKER_CONCURRENCY: String(slots),
      ALEX_ENABLE_MCP: 'false',
      ALEX_LOG_FORMAT: 'json',
      PORT: new URL(url).port,
      ...(baseUrl === undefined ? {} : { OPENAI_BASE_URL: baseUrl }),
      ...(apiKey === undefined ? {} : { OPENAI_API_KEY: apiKey }),
      ...(config === undefined ? {} : { ALEX_CONFIG: config }),
    },
    stdio: ['ignore', log.fd, log.fd],
  })
  const exited = once(child, 'exit')
  const isGone = () => child.exitCode !== null || child.signalCode !== null

  const json = async <T>(path: string, body?: object): Promise<T> => {
    const headers = { 'Content-Type': 'application/json' }
    const init = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) }
    const answer = await fetch(`${url}${path}`, init)
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as T
  }
  const stop = async () => {
    if (isGone()) return
    child.kill('SIGTERM')
    const left = await Promise.race([exited, pause(STOP_MS, 'late' as const, { ref: false })])
    if (left !== 'late') return
    child.kill('SIGKILL')
    await exited
  }

  for (const until = Date.now() + READY_MS; ; await pause(50)) {
    const health = await fetch(`${url}/health`).catch(() => null)
    if (health?.ok) break
    if (!isGone() && Date.now() < until) continue
    await stop()
    throw new Error(`the service did not start:\n${(await readFile(logFile, 'utf8')).slice(-TAIL_CHARS)}`)
  }
  return {
    url,
    /** Where tools work that a task of this session calls. */
    workspaceOf: (sessionId: string) => join(home, 'workspaces', sessionId),
    submit: (task: CreateTask) => json<TaskCreated>('/api/tasks', task),
    /** The task once it has ended. */
    async ended(taskId: string): Promise<Task> {
      for (;;) {
        const task = await json<Task>(`/api/tasks/${taskId}?wait_s=30`)
        if (task.completed_at !== undefined) return task
      }
    },
    tasksOf: (sessionId: string) => json<TaskSummary[]>(`/api/tasks?session_id=${sessionId}`),
    costOf: (sessionId: string) => json<SessionCost>(`/api/sessions/${sessionId}/cost`),
    [Symbol.asyncDispose]: stop,
  }
}

/** What may be needed to reach the endpoint. */
const wayOut = (): Record<string, string> =>
  Object.fromEntries(
    ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'NODE_USE_ENV_PROXY', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE']
      .map((name) => [name, process.env[name] ?? ''] as const)
      .filter(([, value]) => value !== ''),
  )
export type Service = Awaited<ReturnType<typeof startService>>
