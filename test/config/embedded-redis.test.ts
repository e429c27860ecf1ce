import { appendFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { startEmbeddedRedis } from '../../src/embedded-redis.ts'
import { createLog } from '../../src/log.ts'
import { redisMissingMessage } from '../../src/supervisor/installing.ts'
import { forkFixture, isAlive } from './processes.ts'
import { tempFolder } from './temp.ts'

const quiet = await createLog({ verbose: false, format: 'json', redact: () => '' })
const OWNER = new URL('fixtures/owner.ts', import.meta.url)
const Started = z.object({ pid: z.number(), url: z.string() })

const start = async (home: string) => {
  const redis = await startEmbeddedRedis({ home, fsync: 'always', log: quiet })
  return { ...redis, [Symbol.asyncDispose]: redis.close }
}

const connect = (url: string) => {
  const client = new Redis(url, { maxRetriesPerRequest: 1 })
  client.on('error', () => {})
  return { client, [Symbol.dispose]: () => client.disconnect() }
}

test('it answers on a private socket, keeps everything and never evicts', async () => {
  await using folder = await tempFolder()
  await using redis = await start(folder.path)
  using connection = connect(redis.url)
  const config = await connection.client.config(
    'GET',
    'maxmemory-policy',
    'appendonly',
    'appendfsync',
    'port',
  )
  expect(config).toEqual(expect.arrayContaining(['noeviction', 'yes', 'always', '0']))
  expect(redis.url).toBe(join(folder.path, 'redis/redis.sock'))
  expect((await stat(join(folder.path, 'redis'))).mode & 0o777).toBe(0o700)
  expect((await stat(redis.url)).mode & 0o777).toBe(0o700)
})

test('where the path is no good for a socket it listens on a loopback port with a password', async () => {
  await using folder = await tempFolder()
  const home = join(
    folder.path,
    'a folder with spaces and a name that is rather long, in fact longer than a socket may be',
  )
  await mkdir(home)
  await using redis = await start(home)
  expect(redis.url).toMatch(/^redis:\/\/:\w{48}@127\.0\.0\.1:\d+$/)
  using connection = connect(redis.url)
  expect(await connection.client.ping()).toBe('PONG')
  using stranger = connect(redis.url.replace(/:\w{48}@/, ''))
  await expect(stranger.client.get('x')).rejects.toThrow(/NOAUTH/)
})

test('a second owner of the folder is refused, until the first has closed', async () => {
  await using folder = await tempFolder()
  const first = await start(folder.path)
  await expect(start(folder.path)).rejects.toThrow(/another ALEX owns .*ALEX_HOME/)
  await first.close()
  await using second = await start(folder.path)
  expect(second.pid).not.toBe(first.pid)
})

test('closing saves what was written and leaves no process', async () => {
  await using folder = await tempFolder()
  const first = await start(folder.path)
  using connection = connect(first.url)
  await connection.client.set('kept', 'yes')
  await first.close()
  expect(isAlive(first.pid)).toBe(false)
  expect(await readdir(join(folder.path, 'redis'))).not.toContain('redis.pid')
  await using second = await start(folder.path)
  using again = connect(second.url)
  expect(await again.client.get('kept')).toBe('yes')
})

test('it dies with an owner that is killed, and the folder can be taken over with its data', async () => {
  await using folder = await tempFolder()
  await using owner = forkFixture(OWNER, folder.path)
  const { pid, url } = Started.parse(await owner.message())
  using connection = connect(url)
  await connection.client.set('kept', 'yes')
  owner.child.kill('SIGKILL')
  await owner.ended
  // At once, while the old server may still be saving.
  await using next = await start(folder.path)
  expect(isAlive(pid)).toBe(false)
  using again = connect(next.url)
  expect(await again.client.get('kept')).toBe('yes')
})

test('after kill -9 of the server, with a torn last entry, it opens with all before it', async () => {
  await using folder = await tempFolder()
  const first = await start(folder.path)
  using connection = connect(first.url)
  await connection.client.set('kept', 'yes')
  process.kill(first.pid, 'SIGKILL')
  await first.exited
  const aof = join(folder.path, 'redis/appendonlydir/appendonly.aof.1.incr.aof')
  await appendFile(aof, '*3\r\n$3\r\nSET\r\n$4\r\nto')
  await using second = await start(folder.path)
  using again = connect(second.url)
  expect(await again.client.get('kept')).toBe('yes')
})

test('a server whose keeper was killed ends as well', async () => {
  await using folder = await tempFolder()
  const redis = await start(folder.path)
  const keeper = await readFile(join(folder.path, 'redis/keeper.pid'), 'utf8')
  process.kill(Number(keeper), 'SIGKILL')
  await redis.exited
  expect(isAlive(redis.pid)).toBe(false)
})

test('data it cannot read stops it with the reason', async () => {
  await using folder = await tempFolder()
  await mkdir(join(folder.path, 'redis/appendonlydir'), { recursive: true })
  await writeFile(join(folder.path, 'redis/appendonlydir/appendonly.aof.manifest'), 'garbage\n')
  await expect(start(folder.path)).rejects.toThrow(/manifest/)
})

test('where no server is installed the message has a command or a way around', async () => {
  expect(redisMissingMessage()).toMatch(/(apt-get|dnf|apk|brew|install Redis).*REDIS_URL/)
})
