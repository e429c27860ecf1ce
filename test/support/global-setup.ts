import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A Redis of this run alone; each test takes a key prefix of its own. */
    redisUrl: string
  }
}

/** Starts a real Redis for the run and ends it afterwards. */
export default async (project: TestProject) => {
  const folder = await mkdtemp(join(tmpdir(), 'alex-test-redis-'))
  const socket = join(folder, 'redis.sock')
  const server = spawn(
    'redis-server',
    ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', '', '--appendonly', 'no'],
    { stdio: 'ignore' },
  )
  await answers(socket, server)
  project.provide('redisUrl', socket)
  return async () => {
    server.kill('SIGTERM')
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit')
    await rm(folder, { recursive: true, force: true })
  }
}

const answers = async (socket: string, server: ChildProcess): Promise<void> => {
  const redis = new Redis(socket, { lazyConnect: true, retryStrategy: () => null })
  redis.on('error', () => {})
  for (;;) {
    if (server.exitCode !== null) throw new Error('redis-server ended at once; is it installed?')
    try {
      await redis.connect()
      await redis.ping()
      redis.disconnect()
      return
    } catch {
      await pause(20)
    }
  }
}
