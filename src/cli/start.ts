/** `start`: the service in the background, once. */
import { spawn } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Config, childEnvironment, EX_CONFIG, loadConfigOrExit } from '../config.ts'
import { createLogFolder, openLog } from '../supervisor/log-folder.ts'
import { complain } from './exit.ts'
import { askHealth, healthLines, isReady } from './health.ts'
import { EXTENSION, type Instance, instanceOf, ROOT } from './instance.ts'
import { writeJson } from './output.ts'
import { portOwner } from './port-owner.ts'
import { localRemote, type Remote } from './remote.ts'

const READY_WITHIN_MS = 30_000
const LOGS = ['alex', 'api', 'worker', 'redis']
const TAIL_LINES = 15

/**
 * `argv` are settings (`--port 9000`); with `brief` nothing is said about a service that runs already,
 * and none is started when the command line asks another.
 * Resolves to 0 when it is ready, whoever started it; else 1.
 */
export const start = async (
  argv: string[],
  { brief = false, json = false }: { brief?: boolean; json?: boolean },
): Promise<number> => {
  const { config, warnings } = loadConfigOrExit({ argv, cwd: ROOT })
  // What follows goes to another service.
  if (brief && config.url !== undefined) return 0
  const instance = instanceOf(config)
  const remote = localRemote(config)
  const running = instance.supervisor() !== undefined
  if (running && (await isReady(remote))) {
    if (brief) return 0
    return report(remote, config, json, `ALEX is already running at ${remote.url}`)
  }
  for (const warning of warnings) process.stderr.write(`${warning}\n`)
  if (config.port === 0) return complain('port 0 could not be found again: choose one', EX_CONFIG)
  const owner = running ? null : await portOwner(config.host, config.port)
  if (owner !== null)
    return complain(`port ${config.port} is held by ${owner}; stop it or set PORT to another`, 1)

  const began = performance.now()
  createLogFolder(instance.folder)
  const before = LOGS.map((name) => sizeOf(join(instance.folder, `${name}.log`)))
  const launched = running ? undefined : launch(instance, argv)
  while (!(await isReady(remote))) {
    const late = performance.now() - began > READY_WITHIN_MS
    // One that lost the race to a supervisor started meanwhile ends at once, and the other is waited for.
    const gone = (launched?.hasEnded() ?? true) && instance.supervisor() === undefined
    if (late || gone) {
      launched?.stop()
      const why = late ? `was not ready within ${READY_WITHIN_MS / 1000} s` : 'could not start'
      const logs = LOGS.map((name, i) => tail(instance.folder, name, before[i] ?? 0))
      return complain(`ALEX ${why}:\n${logs.join('')}`, 1)
    }
    await sleep(30)
  }
  launched?.letGo()
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  return report(remote, config, json, `ALEX is ready at ${remote.url} after ${seconds} s`)
}

const launch = (instance: Instance, args: string[]) => {
  const output = openLog(instance.folder, 'alex')
  const program = join(ROOT, `src/main${EXTENSION}`)
  const child = spawn(process.execPath, [program, '--log-dir', instance.folder, ...args], {
    cwd: ROOT,
    env: childEnvironment(),
    detached: true,
    stdio: ['ignore', output, output],
  })
  return {
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    stop: () => void child.kill('SIGTERM'),
    /** It lives on when this process ends. */
    letGo: () => child.unref(),
  }
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0

/** The last lines written since the file had `from` bytes. */
const tail = (folder: string, name: string, from: number): string => {
  const file = join(folder, `${name}.log`)
  const written = sizeOf(file) > from ? readFileSync(file).subarray(from).toString().trimEnd() : ''
  return written && `--- ${name}.log\n${written.split('\n').slice(-TAIL_LINES).join('\n')}\n`
}

const report = async (remote: Remote, config: Config, json: boolean, said: string): Promise<number> => {
  const health = await askHealth(remote)
  if (json) {
    writeJson({ url: remote.url, health })
    return 0
  }
  const token = config.api_tokens.length > 0 ? ' -H "Authorization: Bearer $ALEX_TOKEN"' : ''
  const body = `-H "Content-Type: application/json" -d '{"task": "Analyze the codebase"}'`
  const lines = [
    said,
    `  web     ${remote.url}/`,
    `  API     ${remote.url}/api/tasks`,
    `  events  ${remote.url}/api/sse?session_id=SESSION`,
    ...healthLines(health).map((line) => `  ${line}`),
    'Try:',
    `  curl -X POST ${remote.url}/api/tasks${token} ${body}`,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
  return 0
}
