/** A process of this service, started as a supervisor would, with its log at hand. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

export interface NodeProcess {
  pid: number
  /** Lines of its log so far that hold this text. */
  logged: (text: string) => string[]
  /** Resolves with the first line that holds this text, now or when it comes; rejects when the process ends before. */
  untilLogged: (text: string) => Promise<string>
  /** Sends the signal and resolves when the process is gone. Its exit code, null when a signal ended it. */
  end: (signal: NodeJS.Signals) => Promise<number | null>
  /** Resolves with its exit code when it ends of itself. */
  ended: Promise<number | null>
}

/** `script`: path from the root of the checkout. It has a home of its own; killed when the test ends. */
export const startNodeProcess = async (script: string, env: Record<string, string>): Promise<NodeProcess> => {
  const home = await mkdtemp(join(tmpdir(), 'alex-test-home-'))
  const child = spawn(process.execPath, [join(import.meta.dirname, '../..', script)], {
    cwd: home,
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      ALEX_HOME: join(home, 'alex'),
      ALEX_LOG_FORMAT: 'json',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    return ended
  }
  onTestFinished(async () => {
    await end('SIGKILL')
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  })
  const seen: string[] = []
  const looking = new Set<() => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    seen.push(line)
    for (const look of looking) look()
  })
  const logged = (text: string) => seen.filter((line) => line.includes(text))
  return {
    pid: child.pid ?? 0,
    logged,
    untilLogged: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const [line] = logged(text)
          if (line === undefined) return
          looking.delete(look)
          resolve(line)
        }
        looking.add(look)
        look()
        void ended.then((code) => reject(new Error(`${script} ended with ${code} before it logged ${text}`)))
      }),
    end,
    ended,
  }
}
