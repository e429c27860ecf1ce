/** The command line as a real process, in a pipe or on a pseudo terminal. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const CLI = join(ROOT, 'src/cli/main.ts')
/** As `./alex` does: it begins in half the time. */
const CACHE = { NODE_COMPILE_CACHE: join(ROOT, '.alex/cache') }

/** `alex` with a home of its own and, but for `env`, an empty environment; each is gone when the test ends. */
export const alexWith = async (env: Record<string, string>) => {
  const home = await mkdtemp(join(tmpdir(), 'alex-test-cli-'))
  const children: ChildProcess[] = []
  onTestFinished(async () => {
    for (const child of children) child.kill('SIGKILL')
    await rm(home, { recursive: true, force: true })
  })

  const launch = (command: string, args: string[], more: Record<string, string>, input?: string) => {
    const child = spawn(command, args, {
      cwd: home,
      env: { ...CACHE, PATH: process.env['PATH'], HOME: home, ALEX_HOME: home, PORT: '1', ...env, ...more },
      stdio: [input === undefined && command === process.execPath ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    children.push(child)
    if (input !== undefined) child.stdin?.end(input)
    const heard = { out: '', err: '' }
    const looking = new Set<() => void>()
    const hear = (which: keyof typeof heard) => (chunk: string) => {
      heard[which] += chunk
      for (const look of looking) look()
    }
    child.stdout?.setEncoding('utf8').on('data', hear('out'))
    child.stderr?.setEncoding('utf8').on('data', hear('err'))
    const done = once(child, 'close').then(([code]) => ({ code: code as number | null, ...heard }))
    /** Resolves when it has written this; rejects when it ends before. */
    const says = (text: string | RegExp): Promise<void> =>
      new Promise((resolve, reject) => {
        const look = () => {
          const all = heard.out + heard.err
          if (typeof text === 'string' ? !all.includes(text) : !text.test(all)) return
          looking.delete(look)
          resolve()
        }
        looking.add(look)
        look()
        void done.then((end) => reject(new Error(`it never said ${text}: ${JSON.stringify(end)}`)))
      })
    return { child, heard, says, done, type: (keys: string) => child.stdin?.write(keys) }
  }

  const begin = (args: string[], more: Record<string, string> = {}, input?: string) =>
    launch(process.execPath, [CLI, ...args], more, input)
  return {
    home,
    begin,
    run: (...args: string[]) => begin(args).done,
    json: async (...args: string[]): Promise<unknown> =>
      JSON.parse((await begin([...args, '--json']).done).out),
    /** Both streams come as `out`, and what is typed goes to its keyboard. */
    onTerminal: (args: string[], more: Record<string, string> = {}) => {
      const quoted = [process.execPath, CLI, ...args].map((each) => `'${each}'`).join(' ')
      const shell = { TERM: 'xterm-256color', SHELL: '/bin/sh', ...more }
      return launch('script', ['-qec', quoted, '/dev/null'], shell)
    },
  }
}
