/** `stop`, `status` and `logs` of the background instance that `start` started, and of nothing else. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfigOrExit } from '../config.ts'
import { examine, linesOf } from './doctor.ts'
import { healthLines } from './health.ts'
import { instanceOf, ROOT } from './instance.ts'
import { createServer } from './server.ts'

/** What the API, the worker's hand-over and Redis' saving may take beyond the worker's grace. */
const STOP_MARGIN_MS = 25_000
const NOT_RUNNING = 3

export const stop = async (args: string[]): Promise<number> => {
  const { config } = loadConfigOrExit({ argv: args, cwd: ROOT })
  const instance = instanceOf(config)
  const pid = instance.supervisor()
  if (pid === undefined) {
    process.stdout.write(`ALEX is not running on port ${config.port}\n`)
    return 0
  }
  process.stdout.write('stopping ALEX …\n')
  process.kill(pid, 'SIGTERM')
  const until = Date.now() + config.shutdown_grace_s * 1000 + STOP_MARGIN_MS
  while (instance.supervisor() !== undefined && Date.now() < until) await sleep(20)
  if (instance.supervisor() === undefined) {
    process.stdout.write('ALEX has stopped\n')
    return 0
  }
  // Twice asked, it kills what is left and goes.
  process.kill(pid, 'SIGTERM')
  process.stderr.write('ALEX did not stop in time and was made to\n')
  return 1
}

/** 0 when it runs, 3 when it does not, as service managers have it. */
export const status = async (args: string[]): Promise<number> => {
  const loaded = loadConfigOrExit({ argv: args, cwd: ROOT })
  const { config } = loaded
  const instance = instanceOf(config)
  const pid = instance.supervisor()
  const advice = linesOf(await examine(loaded))
  if (pid === undefined) {
    process.stdout.write(`${[`ALEX is not running on port ${config.port}`, ...advice].join('\n')}\n`)
    return NOT_RUNNING
  }
  const server = createServer(config)
  const lines = [
    `ALEX is running at ${server.url} (pid ${pid})`,
    ...instance.parts().map((part) => `  ${part.name} (pid ${part.pid})`),
    ...((await healthLines(server)) ?? ['health: no answer']),
    ...advice,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
  return 0
}

const LOGS = ['alex', 'api', 'worker', 'redis']

export const logs = async (args: string[]): Promise<number> => {
  const follow = args.includes('-f')
  const [name, ...more] = args.filter((arg) => arg !== '-f')
  if (more.length > 0 || (name !== undefined && !LOGS.includes(name))) {
    process.stderr.write('usage: logs [api|worker|redis] [-f]\n')
    return 2
  }
  const { config } = loadConfigOrExit({ argv: [], cwd: ROOT })
  const { folder } = instanceOf(config)
  const files = (name === undefined ? LOGS : [name])
    .map((each) => join(folder, `${each}.log`))
    .filter(existsSync)
  if (files.length === 0) {
    process.stdout.write(`there are no logs in ${folder}\n`)
    return 0
  }
  const tail = spawn('tail', ['-n', '200', ...(follow ? ['-F'] : []), ...files], { stdio: 'inherit' })
  // Ctrl-C reaches tail as well; leaving first would hand the terminal back too early.
  process.on('SIGINT', () => {})
  const [code] = await once(tail, 'exit')
  return typeof code === 'number' ? code : 0
}
