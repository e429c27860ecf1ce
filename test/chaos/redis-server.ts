/** The run's own Redis: killed and started again at the same place, with all it had acknowledged. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'

export const startRedis = async (folder: string, fsync: 'always' | 'everysec') => {
  await mkdir(folder, { recursive: true })
  const socket = join(folder, 'redis.sock')
  let server: ChildProcess | undefined
  const client = new Redis(socket, { lazyConnect: true, maxRetriesPerRequest: null, retryStrategy: () => 20 })
  client.on('error', () => {})
  const start = async () => {
    const lasting = ['--appendonly', 'yes', '--appendfsync', fsync, '--save', '']
    const listen = [
      '--port',
      '0',
      '--unixsocket',
      socket,
      '--dir',
      folder,
      '--logfile',
      join(folder, 'redis.log'),
    ]
    server = spawn('redis-server', [...listen, ...lasting, '--maxmemory-policy', 'noeviction'], {
      stdio: 'ignore',
      detached: true,
    })
    await client.ping()
  }
  const end = async (signal: NodeJS.Signals) => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    server.kill(signal)
    await ended
  }
  await start()
  return {
    socket,
    /** The harness' own connection, past all proxies. */
    client,
    start,
    kill: () => end('SIGKILL'),
    async [Symbol.asyncDispose]() {
      client.disconnect()
      await end('SIGKILL')
    },
  }
}
export type RedisServer = Awaited<ReturnType<typeof startRedis>>
