/** Redis servers that a test may kill, restart, fill or set back. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'

const AOF = 'appendonlydir'

/** A Redis that keeps every write. `running: false`: only its place is known yet. */
export const startRedisServer = async ({ running = true }: { running?: boolean } = {}) => {
  const folder = await mkdtemp(join(tmpdir(), 'alex-test-redis-'))
  const url = join(folder, 'redis.sock')
  let server: ChildProcess | undefined
  const start = async () => {
    const lasting = ['--dir', folder, '--save', '', '--appendonly', 'yes', '--appendfsync', 'always']
    server = spawn('redis-server', ['--port', '0', '--unixsocket', url, ...lasting], { stdio: 'ignore' })
    await call('PING')
  }
  const kill = async () => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    server.kill('SIGKILL')
    await once(server, 'exit')
  }
  /** One command over a connection of its own. */
  const call = async (command: string, ...args: string[]) => {
    const redis = new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: null })
    redis.on('error', () => {})
    try {
      return await redis.call(command, ...args)
    } finally {
      redis.disconnect()
    }
  }
  if (running) await start()
  return {
    url,
    start,
    kill,
    call,
    /** Keeps a copy of all that was written up to now. */
    keep: () => cp(join(folder, AOF), join(folder, 'kept'), { recursive: true }),
    /** Starts it, after `kill`, with what was kept; with nothing when nothing was. */
    async startOlder() {
      await rm(join(folder, AOF), { recursive: true, force: true })
      await cp(join(folder, 'kept'), join(folder, AOF), { recursive: true }).catch(() => {})
      await start()
    },
    async [Symbol.asyncDispose]() {
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
