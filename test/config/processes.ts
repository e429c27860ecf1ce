import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { commandLine } from '../../src/supervisor/processes.ts'

export const isAlive = (pid: number): boolean => commandLine(pid) !== ''

/** Waits until `check` holds or returns something; fails with what it was waiting for. */
export const until = async <T>(what: string, check: () => T | false | Promise<T | false>): Promise<T> => {
  const end = Date.now() + 15_000
  for (;;) {
    const value = await check()
    if (value !== false) return value
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`)
    await sleep(10)
  }
}

/** A fixture under this Node; killed after the test if it still runs. */
export const forkFixture = (script: URL, ...args: string[]) => {
  const child: ChildProcess = fork(script, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const ended = once(child, 'exit')
  const message = async (): Promise<unknown> => (await once(child, 'message'))[0]
  return {
    child,
    ended,
    message,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

export const lines = async (file: string): Promise<string[]> => {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.trim() === '' ? [] : text.trim().split('\n')
}
