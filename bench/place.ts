/** Where a benchmark runs: a folder, a Redis and a model server of its own. All that was started ends with the scope. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { NODE_FLAGS } from '../src/node-flags.ts'

const ROOT = join(import.meta.dirname, '..')
const READY_MS = 30_000
/** Where each process that leaves well writes a CPU profile of its life. */
const PROFILES = process.env['BENCH_PROFILES']
const PROFILED = PROFILES === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', PROFILES]

/** As the service is started in production. */
const flagsOf = (file: string) =>
  file === 'src/http/main.ts' || file === 'workers/main.ts' ? NODE_FLAGS : []

export interface Started {
  pid: number
  /** Ends it and waits until it has. */
  stop: (signal?: NodeJS.Signals) => Promise<void>
  /** The next line it prints; only of files of `bench/`. */
  line: () => Promise<string>
  /** Gives it a line to read and waits for the one it prints then; only of files of `bench/`. */
  ask: (order: string) => Promise<string>
}

export type Place = Awaited<ReturnType<typeof startPlace>>

export const startPlace = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'alex-bench-'))
  const log = await open(join(folder, 'log'), 'a')
  const children: ChildProcess[] = []

  const stopChild = async (child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL') => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }
  const run = (
    command: string,
    args: readonly string[],
    { env = {}, talks = false }: { env?: Record<string, string>; talks?: boolean } = {},
  ): Started => {
    const child = spawn(command, args, {
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...env },
      stdio: [talks ? 'pipe' : 'ignore', talks ? 'pipe' : log.fd, log.fd],
    })
    children.push(child)
    const lines = child.stdout && createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const line = async () => {
      const next = await lines?.next()
      if (!next || next.done) throw new Error(`${args[0]} ended without a word:\n${await said()}`)
      return next.value
    }
    return {
      pid: child.pid ?? 0,
      stop: (signal) => stopChild(child, signal),
      line,
      ask(order) {
        child.stdin?.write(`${order}\n`)
        return line()
      },
    }
  }
  /** Runs a file of this repository. */
  const node = (file: string, env: Record<string, string> = {}, args: readonly string[] = []) =>
    run(process.execPath, [...PROFILED, ...flagsOf(file), join(ROOT, file), ...args], {
      env,
      talks: file.startsWith('bench/'),
    })
  const said = async () => (await readFile(join(folder, 'log'), 'utf8')).slice(-2000)

  const socket = join(folder, 'redis.sock')
  // As compose.yaml and the embedded server have it.
  const lasting = [
    '--appendonly',
    'yes',
    '--appendfsync',
    'everysec',
    '--maxmemory-policy',
    'noeviction',
    '--hz',
    '1',
  ]
  const at = ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', '']
  const server = run('redis-server', [...at, ...lasting])
  const redis = new Redis(socket, { retryStrategy: () => 20, maxRetriesPerRequest: null })
  redis.on('error', () => {})
  await redis.ping()
  const model = node('bench/model-server.ts')
  const modelUrl = await model.line()

  return {
    folder,
    socket,
    redis,
    modelUrl,
    /** What it prints after its URL. */
    model,
    pids: { redis: server.pid, model: model.pid },
    node,
    /** Asks until the answer is there. */
    async until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
      for (const end = Date.now() + READY_MS; Date.now() < end; await pause(20)) {
        const found = await ask().catch(() => undefined)
        if (found !== undefined) return found
      }
      throw new Error(`no ${what} after ${READY_MS} ms:\n${await said()}`)
    },
    async [Symbol.asyncDispose]() {
      for (const child of children.toReversed()) await stopChild(child)
      redis.disconnect()
      await log.close()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
