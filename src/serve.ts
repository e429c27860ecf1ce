/**
 * The whole of ALEX in the foreground: API, worker and, without REDIS_URL, a Redis of its own, supervised.
 *
 * With `--log-dir` each process writes to `<DIR>/<name>.log` and is found by `<DIR>/<name>.pid`.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { extname, join, resolve } from 'node:path'
import { compileCache, EX_CONFIG, loadConfigOrExit, secretsOf, workspaceProblem } from './config.ts'
import { type EmbeddedRedis, startEmbeddedRedis } from './embedded-redis.ts'
import { messageOf } from './errors.ts'
import { createLog } from './log.ts'
import { NODE_FLAGS } from './node-flags.ts'
import { createRedactor } from './redact.ts'
import { supervise } from './supervise.ts'
import { acquireLock, type Lock } from './supervisor/lock.ts'
import { createLogFolder, logFile, openLog } from './supervisor/log-folder.ts'

/** The API promises to close within 5 s. */
const API_GRACE_MS = 6_000
/** What a worker may need beyond its grace to hand its tasks over. */
const WORKER_MARGIN_MS = 10_000

const root = resolve(import.meta.dirname, '..')
/** Run from source or built: what it starts is of the same kind. */
const extension = extname(import.meta.filename)
const { logDir, argv } = takeLogDir(process.argv.slice(2))
const loaded = loadConfigOrExit({ argv })
const { config } = loaded
const log = await createLog({
  verbose: config.verbose,
  format: config.log_format,
  redact: createRedactor(secretsOf(config)),
})
for (const warning of loaded.warnings) log.warn({}, `[DI] ${warning}`)

const fail = (message: string, code: number): never => {
  process.stderr.write(`${message}\n`)
  return process.exit(code)
}
const refused = workspaceProblem(loaded)
if (refused !== undefined) fail(refused, EX_CONFIG)

const claimed = logDir === undefined ? undefined : claim(logDir)

const startRedis = (crashed?: EmbeddedRedis) =>
  startEmbeddedRedis({
    home: config.home,
    fsync: config.redis_fsync,
    log,
    ...(logDir === undefined ? {} : { logFile: logFile(logDir, 'redis') }),
    ...(crashed === undefined ? {} : { address: crashed.address }),
  })

const child = (name: string, script: string, graceMs: number, redisUrl?: string) => ({
  name,
  argv: [...NODE_FLAGS, join(root, script), ...argv],
  graceMs,
  env: { ...compileCache(config), ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }) },
  ...(logDir === undefined ? {} : { output: openLog(logDir, name) }),
})

const supervisor = await supervise({
  log,
  ...(config.redis_url === undefined ? { startRedis } : {}),
  ...(logDir === undefined ? {} : { pidFolder: logDir }),
  processes: (redisUrl) => [
    child('api', `src/http/main${extension}`, API_GRACE_MS, redisUrl),
    child('worker', `workers/main${extension}`, config.shutdown_grace_s * 1000 + WORKER_MARGIN_MS, redisUrl),
  ],
}).catch((error: unknown) => fail(`ALEX cannot start: ${messageOf(error)}`, 1))

let asked = false
const onSignal = (signal: NodeJS.Signals) => {
  if (asked) {
    log.warn({ signal }, '[DI] asked twice, leaving at once')
    supervisor.kill()
    leave(128 + constants.signals[signal])
  }
  asked = true
  log.info({ signal }, '[DI] stopping')
  void supervisor.stop().then(() => leave(0))
}
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => onSignal(signal))
leave(await supervisor.failed)

function leave(code: number): never {
  if (claimed !== undefined) rmSync(claimed.pidFile, { force: true })
  log.info({ code }, '[DI] stopped')
  process.exit(code)
}

/** The one supervisor of a log folder; its pid stands in `alex.pid`. The lock lasts while it is referred to. */
function claim(folder: string): { pidFile: string; lock: Lock } {
  createLogFolder(folder)
  const lock = acquireLock(join(folder, 'alex.lock'))
  if (lock === null) return fail(`an ALEX that logs to ${folder} runs already`, 1)
  const pidFile = join(folder, 'alex.pid')
  writeFileSync(pidFile, `${process.pid}\n`)
  return { pidFile, lock }
}

function takeLogDir(all: string[]): { logDir?: string; argv: string[] } {
  const at = all.findIndex((each) => each === '--log-dir' || each.startsWith('--log-dir='))
  if (at < 0) return { argv: all }
  const inline = all[at]?.split('=').slice(1).join('=')
  const value = inline || all[at + 1]
  return value ? { logDir: resolve(value), argv: all.toSpliced(at, inline ? 1 : 2) } : { argv: all }
}
