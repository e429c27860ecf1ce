/** Redis servers that a test may kill, restart, fill or set back. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'

const AOF = 'appendonlydir'

export interface RedisServerOptions {
  /** False: only its place is known yet. */
  running?: boolean
  /** `always` keeps every write. */
  fsync?: 'always' | 'everysec'
}

export const startRedisServer = async ({ running = true, fsync = 'always' }: RedisServerOptions = {}) => {
  const folder = await mkdtemp(join(tmpdir(), 'alex-test-redis-'))
  const url = join(folder, 'redis.sock')
  let server: ChildProcess | undefined
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: null, retryStrategy: () => 20 })
  client.on('error', () => {})
  const start = async () => {
    const lasting = ['--dir', folder, '--save', '', '--appendonly', 'yes', '--appendfsync', fsync]
    server = spawn('redis-server', ['--port', '0', '--unixsocket', url, ...lasting], {
      stdio: 'ignore',
      // A Ctrl-C is for whoever started it.
      detached: true,
    })
    await client.ping()
  }
  const kill = async () => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    server.kill('SIGKILL')
    await once(server, 'exit')
  }
  if (running) await start()
  return {
    url,
    start,
    kill,
    /** The test's own connection; waits while the server is away. */
    client,
    /** Keeps a copy of all that was written up to now. */
    keep: () => cp(join(folder, AOF), join(folder, 'kept'), { recursive: true }),
    /** Starts it, after `kill`, with what was kept; with nothing when nothing was. */
    async startOlder() {
      await rm(join(folder, AOF), { recursive: true, force: true })
      await cp(join(folder, 'kept'), join(folder, AOF), { recursive: true }).catch(() => {})
      await start()
    },
    async [Symbol.asyncDispose]() {
      client.disconnect()
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
export type RedisServer = Awaited<ReturnType<typeof startRedisServer>>
