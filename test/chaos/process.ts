/** One process of the fleet: real, its log kept, its life written down. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface ProcessOptions {
  name: string
  script: string
  env: Record<string, string>
  cwd: string
  logFolder: string
  /** Each line of its log, parsed. */
  onLog?: (line: Record<string, unknown>) => void
}

export interface FleetProcess {
  name: string
  pid: number
  alive: () => boolean
  signal: (name: NodeJS.Signals) => void
  /** Exit code, or the signal that ended it. */
  ended: Promise<number | string>
}

const ROOT = join(import.meta.dirname, '../..')

export const startProcess = (options: ProcessOptions): FleetProcess => {
  const child: ChildProcess = spawn(process.execPath, [join(ROOT, options.script)], {
    cwd: options.cwd,
    env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: join(ROOT, '.alex/cache'), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const file = createWriteStream(join(options.logFolder, `${options.name}.log`))
  child.stderr?.pipe(file, { end: false })
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      file.write(`${line}\n`)
      if (line.startsWith('{')) options.onLog?.(JSON.parse(line) as Record<string, unknown>)
    })
  }
  const ended = once(child, 'exit').then(([code, signal]) => {
    file.end()
    return (code as number | null) ?? String(signal)
  })
  const alive = () => child.exitCode === null && child.signalCode === null
  return {
    name: options.name,
    pid: child.pid ?? 0,
    alive,
    signal: (name) => void (alive() && child.kill(name)),
    ended,
  }
}
