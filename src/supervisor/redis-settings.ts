/** How the private Redis is configured and reached. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'

export type RedisAddress = { socket: string } | { port: number; password: string }

/** Longest path a unix socket can have everywhere is 103 bytes (macOS); Redis binds a name of that length as is. */
const LONGEST_SOCKET = 100

/** A socket in the data folder, or, where that path cannot be one, a free loopback port with a password. */
export const chooseAddress = async (folder: string): Promise<RedisAddress> => {
  const socket = join(folder, 'redis.sock')
  // Anything else would have to be escaped in the URL, which not every client undoes.
  if (Buffer.byteLength(socket) <= LONGEST_SOCKET && /^[\w./-]+$/.test(socket)) return { socket }
  return { port: await freePort(), password: randomBytes(24).toString('hex') }
}

export const urlOf = (address: RedisAddress): string =>
  'socket' in address ? address.socket : `redis://:${address.password}@127.0.0.1:${address.port}`

export interface RedisSettings {
  folder: string
  address: RedisAddress
  pidFile: string
  fsync: 'everysec' | 'always'
}

export const redisConf = ({ folder, address, pidFile, fsync }: RedisSettings): string => {
  const listen =
    'socket' in address
      ? [`port 0`, `unixsocket ${quote(address.socket)}`, 'unixsocketperm 700']
      : [`port ${address.port}`, 'bind 127.0.0.1', `requirepass ${address.password}`]
  return [
    ...listen,
    `dir ${quote(folder)}`,
    `pidfile ${quote(pidFile)}`,
    'daemonize no',
    // The command line keeps the path of this file, by which the process is known later.
    'set-proc-title no',
    'appendonly yes',
    `appendfsync ${fsync}`,
    'aof-load-truncated yes',
    'save ""',
    'maxmemory-policy noeviction',
    // Ten times a second, as it comes, wakes an idle machine more often than all of ALEX.
    'hz 1',
    '',
  ].join('\n')
}

const quote = (value: string): string => `"${value.replace(/["\\]/g, String.raw`\$&`)}"`

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return address.port
}
