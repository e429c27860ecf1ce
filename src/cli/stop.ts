/** `stop` and `status` of the background instance that `start` started, and of nothing else. */
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfigOrExit } from '../config.ts'
import { examine, linesOf } from './doctor.ts'
import { EXIT } from './exit.ts'
import { askHealth, healthLines } from './health.ts'
import { instanceOf, ROOT } from './instance.ts'
import { writeJson } from './output.ts'
import { localRemote } from './remote.ts'

export interface ServiceOptions {
  json?: boolean
}

/** What the API, the worker's hand-over and Redis' saving may take beyond the worker's grace. */
const STOP_MARGIN_MS = 25_000

export const stop = async (argv: string[], { json = false }: ServiceOptions): Promise<number> => {
  const { config } = loadConfigOrExit({ argv, cwd: ROOT })
  const instance = instanceOf(config)
  const pid = instance.supervisor()
  const say = (line: string, was: string) => {
    if (json) writeJson({ port: config.port, was })
    else process.stdout.write(`${line}\n`)
  }
  if (pid === undefined) {
    say(`ALEX is not running on port ${config.port}`, 'not running')
    return 0
  }
  if (!json) process.stdout.write('stopping ALEX …\n')
  process.kill(pid, 'SIGTERM')
  const until = Date.now() + config.shutdown_grace_s * 1000 + STOP_MARGIN_MS
  while (instance.supervisor() !== undefined && Date.now() < until) await sleep(20)
  if (instance.supervisor() === undefined) {
    say('ALEX has stopped', 'stopped')
    return 0
  }
  // Twice asked, it kills what is left and goes.
  process.kill(pid, 'SIGTERM')
  process.stderr.write('ALEX did not stop in time and was made to\n')
  return 1
}

/** 0 when it runs, 3 when it does not, as service managers have it. */
export const status = async (argv: string[], { json = false }: ServiceOptions): Promise<number> => {
  const loaded = loadConfigOrExit({ argv, cwd: ROOT })
  const { config } = loaded
  const instance = instanceOf(config)
  const remote = localRemote(config)
  const pid = instance.supervisor()
  const health = pid === undefined ? null : await askHealth(remote)
  const findings = await examine(loaded)
  const code = pid === undefined ? EXIT.unreachable : EXIT.done
  if (json) {
    const place = { url: remote.url, ...(pid !== undefined && { pid }) }
    writeJson({ running: pid !== undefined, ...place, parts: instance.parts(), health, findings })
    return code
  }
  const lines =
    pid === undefined
      ? [`ALEX is not running on port ${config.port}`]
      : [
          `ALEX is running at ${remote.url} (pid ${pid})`,
          ...instance.parts().map((part) => `  ${part.name} (pid ${part.pid})`),
          ...healthLines(health),
        ]
  process.stdout.write(`${[...lines, ...linesOf(findings)].join('\n')}\n`)
  return code
}
