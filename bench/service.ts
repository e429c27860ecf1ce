/** The service in the processes it has in production, on a Redis of its own; all ends with the scope. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePort } from '../test/support/free-port.ts'

const ROOT = join(import.meta.dirname, '..')
const READY_MS = 30_000

export interface ServiceOptions {
  workers: number
  /** Tasks at once of each worker. */
  slots: number
  /** Settings of API and workers. */
  env?: Record<string, string>
}

export const startService = async ({ workers, slots, env = {} }: ServiceOptions) => {
  const folder = await mkdtemp(join(tmpdir(), 'alex-bench-'))
  const children: ChildProcess[] = []
  const log = await open(join(folder, 'log'), 'a')
  const stop = async () => {
    for (const child of children.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    redis.disconnect()
    await log.close()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  const start = (
    command: string,
    args: string[],
    variables: Record<string, string>,
    stdout: 'pipe' | number,
  ) => {
    const child = spawn(command, args, {
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...variables },
      stdio: ['ignore', stdout, log.fd],
    })
    children.push(child)
    return child
  }
  const socket = join(folder, 'redis.sock')
  const lasting = ['--dir', folder, '--save', '', '--appendonly', 'yes', '--maxmemory-policy', 'noeviction']
  const server = start('redis-server', ['--port', '0', '--unixsocket', socket, ...lasting], {}, log.fd)
  const redis = new Redis(socket, { retryStrategy: () => 20, maxRetriesPerRequest: null })
  redis.on('error', () => {})
  await redis.ping()

  const modelServer = start(process.execPath, [join(ROOT, 'bench/model-server.ts')], {}, 'pipe')
  const modelUrl = await firstLine(modelServer)
  const port = await freePort()
  const variables = {
    REDIS_URL: socket,
    ALEX_HOME: join(folder, 'alex'),
    ALEX_SESSION_DIR: join(folder, 'sessions'),
    ALEX_COST_DIR: join(folder, 'costs'),
    ALEX_WORKSPACE_DIR: folder,
    ALEX_ENABLE_MCP: 'false',
    ALEX_LOG_FORMAT: 'json',
    ALEX_WORKER_CONCURRENCY: String(slots),
    OPENAI_BASE_URL: modelUrl,
    OPENAI_API_KEY: 'sk-bench',
    PORT: String(port),
    ...env,
  }
  const api = start(process.execPath, [join(ROOT, 'src/http/main.ts')], variables, log.fd)
  const workerProcesses = Array.from({ length: workers }, () =>
    start(process.execPath, [join(ROOT, 'workers/main.ts')], variables, log.fd),
  )
  const url = `http://127.0.0.1:${port}`
  for (const until = Date.now() + READY_MS; ; await pause(50)) {
    const known = await fetch(`${url}/api/workers`)
      .then(async (answer) => (await answer.json()) as unknown[])
      .catch(() => [])
    if (known.length === workers) break
    if (Date.now() < until) continue
    const said = await readFile(join(folder, 'log'), 'utf8')
    await stop()
    throw new Error(`the service did not start:\n${said.slice(-2000)}`)
  }
  const pidOf = (child: ChildProcess) => child.pid ?? 0
  return {
    url,
    redis,
    folder,
    pids: { api: pidOf(api), workers: workerProcesses.map(pidOf), redis: pidOf(server) },
    [Symbol.asyncDispose]: stop,
  }
}
export type Service = Awaited<ReturnType<typeof startService>>

const firstLine = async (child: ChildProcess): Promise<string> => {
  if (!child.stdout) throw new Error('its output goes elsewhere')
  for await (const line of createInterface({ input: child.stdout })) return line
  throw new Error('it ended without a word')
}

/** Resident memory of a process, in bytes. */
export const residentOf = async (pid: number): Promise<number> => {
  const [, kb] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kb) * 1024
}
