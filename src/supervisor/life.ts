/** One life of a supervised process: from its start to its end. */
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { childEnvironment } from '../config.ts'
import type { EmbeddedRedis } from '../embedded-redis.ts'

export interface Ending {
  /** Null when a signal ended it. */
  code: number | null
  /** In words: `exit code 1`, `SIGKILL`, or why it could not start. */
  how: string
}

export interface Life {
  pid: number
  /** Never rejects. */
  ended: Promise<Ending>
  /** Asks it to end and kills it when it takes too long; resolves when it has ended. */
  stop: () => Promise<void>
  /** Now, without a chance to finish. */
  kill: () => void
}

export interface ProcessSpec {
  name: string
  /** Script and arguments for this same Node. */
  argv: readonly string[]
  /** On top of this process's environment. */
  env?: Record<string, string>
  /** Milliseconds from SIGTERM to SIGKILL. */
  graceMs: number
  /** File descriptor for stdout and stderr; by default this process's own. */
  output?: number
}

/**
 * The child leads a process group of its own: Ctrl-C in a terminal reaches the supervisor alone, which then asks
 * each child once. Its IPC channel tells it when the supervisor is gone (`onParentGone`).
 */
export const startProcess = (spec: ProcessSpec): Life => {
  const output = spec.output ?? 'inherit'
  const child = spawn(process.execPath, spec.argv, {
    env: childEnvironment(spec.env),
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
  })
  const { promise: ended, resolve } = Promise.withResolvers<Ending>()
  child.once('error', (error) => resolve({ code: 1, how: error.message }))
  child.once('exit', (code, signal) => resolve({ code, how: signal ?? `exit code ${code}` }))
  const stop = async () => {
    child.kill('SIGTERM')
    const timer = new AbortController()
    const tooLong = sleep(spec.graceMs, 'late', { signal: timer.signal }).catch(() => 'ended')
    if ((await Promise.race([ended, tooLong])) === 'late') child.kill('SIGKILL')
    timer.abort()
    await ended
  }
  return { pid: child.pid ?? 0, ended, stop, kill: () => void child.kill('SIGKILL') }
}

/** Killing needs nothing here: Redis is told to end when this process does. */
export const lifeOfRedis = (redis: EmbeddedRedis): Life => ({
  pid: redis.pid,
  ended: redis.exited.then(() => ({ code: null, how: 'gone' })),
  stop: redis.close,
  kill: () => {},
})
