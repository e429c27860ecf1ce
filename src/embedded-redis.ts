/**
 * A private Redis for one machine: the real server, as a child, its data in `<home>/redis`.
 *
 * It runs under a small shell in a session of its own, so that Ctrl-C in the terminal does not reach it before
 * the processes that use it have ended. The shell waits on a pipe whose other end only this process holds:
 * whenever that closes, also because this process was killed, Redis is told to end and saves what it has.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from './log.ts'
import { redisMissingMessage } from './supervisor/installing.ts'
import { acquireLock, type Lock } from './supervisor/lock.ts'
import { commandLine, livingProcess } from './supervisor/processes.ts'
import { chooseAddress, type RedisAddress, redisConf, urlOf } from './supervisor/redis-settings.ts'

export interface EmbeddedRedisOptions {
  /** `ALEX_HOME`; created when missing. */
  home: string
  /** `everysec` may lose 2 s when the machine crashes; `always` nothing, more slowly. */
  fsync: 'everysec' | 'always'
  log: Log
  /** The server's own log, appended to; by default `redis.log` beside the data. */
  logFile?: string
  /** Where an earlier one listened, so that its clients find this one. */
  address?: RedisAddress
}

export interface EmbeddedRedis {
  /** For `new Redis(url)`: the path of a unix socket, or `redis://…` with a password. */
  url: string
  address: RedisAddress
  /** Of redis-server itself. */
  pid: number
  /** Resolves when the server has ended, for whatever reason, and the data folder is free. Never rejects. */
  exited: Promise<void>
  /** Ends the server after it has saved; kills it after 10 s. */
  close: () => Promise<void>
}

/** $1 configuration, $2 file for the shell's own pid; standard input is the pipe that says "go on". */
const KEEPER = `
trap '' INT HUP
server=$(command -v redis-server || command -v valkey-server) || exit 127
echo $$ >"$2"
exec 3<&0 </dev/null
"$server" "$1" 3<&- &
redis=$!
{
  trap - INT HUP
  while read -r _ <&3; do :; done
  kill -TERM "$redis"
  tries=0
  while [ $tries -lt 100 ] && kill -0 "$redis"; do sleep 0.1; tries=$((tries + 1)); done
  kill -KILL "$redis"
} 2>/dev/null &
watch=$!
exec 3<&-
wait "$redis"
code=$?
kill "$watch" 2>/dev/null
rm -f "$2"
exit $code
`
const NOT_INSTALLED = 127

/** How long an earlier owner that was killed may take to save and end. */
const HANDOVER_MS = 10_000
/** How long the server may stay silent; while it says that it is loading it is waited for. */
const SILENCE_MS = 15_000

/** Throws when no server is installed, the folder belongs to a living process, or the server cannot start. */
export const startEmbeddedRedis = async (options: EmbeddedRedisOptions): Promise<EmbeddedRedis> => {
  const folder = join(options.home, 'redis')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const lock = acquireLock(join(folder, 'owner.lock'))
  if (lock === null)
    throw new Error(`another ALEX owns ${folder}: stop it, or give this one its own ALEX_HOME`)
  try {
    return await startLocked(folder, lock, options)
  } catch (error) {
    lock.release()
    throw error
  }
}

const startLocked = async (
  folder: string,
  lock: Lock,
  options: EmbeddedRedisOptions,
): Promise<EmbeddedRedis> => {
  const { fsync, log, logFile = join(folder, 'redis.log') } = options
  const files = {
    conf: join(folder, 'redis.conf'),
    pid: join(folder, 'redis.pid'),
    keeper: join(folder, 'keeper.pid'),
  }
  await previousOwnerGone(files)
  const address = options.address ?? (await chooseAddress(folder))
  writeFileSync(files.conf, redisConf({ folder, address, pidFile: files.pid, fsync }), { mode: 0o600 })

  const keeper = startKeeper(folder, files, logFile)
  const exited = endOf(keeper, files).finally(lock.release)
  const close = async () => {
    // A signal is looked at with the server's own timer: up to a second later (`hz` of its configuration).
    void ask(address, 'SHUTDOWN')
    keeper.stdin?.end()
    await exited
  }
  try {
    await answering(keeper, address, logFile)
  } catch (error) {
    await close()
    throw error
  }
  const pid = livingProcess(files.pid, files.conf) ?? 0
  log.info({ pid, folder }, '[DI] embedded Redis is ready')
  return { url: urlOf(address), address, pid, exited, close }
}

const startKeeper = (folder: string, files: Files, logFile: string): ChildProcess => {
  const output = openSync(logFile, 'a', 0o600)
  try {
    return spawn('/bin/sh', ['-c', KEEPER, 'alex-redis', files.conf, files.keeper], {
      cwd: folder,
      detached: true,
      stdio: ['pipe', output, output],
    })
  } finally {
    closeSync(output)
  }
}

interface Files {
  conf: string
  pid: string
  keeper: string
}

/** A killed owner's server is still saving for a moment: two servers must never share the folder. */
const previousOwnerGone = async (files: Files): Promise<void> => {
  const left = await lastsBeyond(HANDOVER_MS, files)
  if (left !== undefined)
    throw new Error(`process ${left}, left by an earlier ALEX, still owns ${files.conf}`)
}

/** The process that is still there after `ms`, or undefined as soon as none is. */
const lastsBeyond = async (ms: number, files: Files, known?: number): Promise<number | undefined> => {
  const until = Date.now() + ms
  // A server takes its file away before it is gone.
  const left = () => (known !== undefined && commandLine(known).includes(files.conf) ? known : undefined)
  for (;;) {
    const pid = left() ?? livingProcess(files.pid, files.conf) ?? livingProcess(files.keeper, files.conf)
    if (pid === undefined || Date.now() > until) return pid
    await sleep(20)
  }
}

/** The keeper may be killed on its own: then its Redis, which nobody watches any more, has to end as well. */
const endOf = async (keeper: ChildProcess, files: Files): Promise<void> => {
  // The pipe breaks when the keeper goes first.
  keeper.stdin?.on('error', () => {})
  await once(keeper, 'exit').catch(() => {})
  keeper.stdin?.destroy()
  const server = livingProcess(files.pid, files.conf)
  signal(server, 'SIGTERM')
  signal(await lastsBeyond(HANDOVER_MS, files, server), 'SIGKILL')
}

const signal = (pid: number | undefined, name: NodeJS.Signals): void => {
  try {
    if (pid !== undefined) process.kill(pid, name)
  } catch {
    // It ended in between, which is what was wanted.
  }
}

const answering = async (keeper: ChildProcess, address: RedisAddress, logFile: string): Promise<void> => {
  let silentSince = Date.now()
  for (;;) {
    if (keeper.exitCode === NOT_INSTALLED) throw new Error(redisMissingMessage())
    if (keeper.exitCode !== null || keeper.signalCode !== null)
      throw new Error(`redis-server ended while it started; ${logFile} ends with: ${lastLine(logFile)}`)
    const answer = await ask(address, 'PING')
    if (answer.includes('+PONG')) return
    if (answer.includes('-LOADING')) silentSince = Date.now()
    if (Date.now() - silentSince > SILENCE_MS)
      throw new Error(`redis-server did not answer within ${SILENCE_MS / 1000} s; see ${logFile}`)
    await sleep(10)
  }
}

const lastLine = (file: string): string => readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? ''

/** The server's answer, or nothing when it does not listen yet or ends. */
const ask = (address: RedisAddress, command: string): Promise<string> => {
  const { promise, resolve } = Promise.withResolvers<string>()
  const socket = 'socket' in address ? connect(address.socket) : connect(address.port, '127.0.0.1')
  const login = 'socket' in address ? '' : `AUTH ${address.password}\r\n`
  let answer = ''
  socket.setTimeout(1000, () => socket.destroy())
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    answer += chunk.toString()
    if (/(PONG|LOADING.*)\r\n$/.test(answer)) socket.destroy()
  })
  socket.on('close', () => resolve(answer))
  socket.write(`${login}${command}\r\n`)
  return promise
}
