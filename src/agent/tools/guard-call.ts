/** One command or service under the guard, from its start until all it started is dead. Runs in the guard. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GuardedResult, KilledBy } from './guard.ts'
import type { RunRequest, ServeRequest } from './guard-protocol.ts'
import { createHeadTail } from './output-cap.ts'
import {
  CALL_MARKER,
  GUARD_MARKER,
  guardIdentity,
  killGroup,
  type SweepTarget,
  startTimeOf,
  sweep,
} from './process-sweep.ts'

/** Characters of live output of one call; a watcher who needs more reads the result. */
const LIVE_CHARS = 256_000
const LIVE_EVERY_MS = 30
/** For what is left in the pipes once all writers should be dead. */
const DRAIN_MS = 500
/** For a service to end after its input did. */
const END_MS = 1_000
/** Of a service's stderr. */
const SERVICE_KEEP_CHARS = 4_000

export interface GuardedCall {
  /** Never rejects. */
  ended: Promise<GuardedResult>
  /** The first reason counts. */
  kill(by: KilledBy): void
  /** To the input of a service. */
  write(text: string): void
  /** Of a service: no more input, and death when it goes on for all that. */
  end(): void
}

/** Where live output goes: of a service what it says on stdout, whole; of a command what comes from both, capped. */
export interface LiveOutput {
  /** False when the way to the worker is full. */
  push: (chunk: string) => boolean
  drained: () => Promise<void>
}

export const startCall = (request: RunRequest | ServeRequest, output: LiveOutput): GuardedCall => {
  const serves = request.type === 'serve'
  const keepChars = serves ? SERVICE_KEEP_CHARS : request.keepChars
  const killed = Promise.withResolvers<void>()
  let killedBy: KilledBy | undefined
  let rootPid: number | undefined
  let stdin: ChildProcess['stdin'] = null
  let ending: NodeJS.Timeout | undefined

  const kill = (by: KilledBy): void => {
    killedBy ??= by
    killGroup(rootPid)
    killed.resolve()
  }

  const run = async (): Promise<GuardedResult> => {
    const child = start(request)
    if (child instanceof Error) return cannotStart(child)
    stdin = child.stdin
    const live = serves ? passOn(child.stdout, output) : createLive(output.push)
    const stdout = collect(child.stdout, serves ? 0 : keepChars, live.push)
    const stderr = collect(child.stderr, keepChars, serves ? () => {} : live.push)
    const closed = once(child, 'close')
    // An `error` before the start rejects this; it is looked at below.
    closed.catch(() => {})
    const exit = Promise.withResolvers<Error | undefined>()
    child.once('exit', () => exit.resolve(undefined))
    child.once('error', (error) => exit.resolve(error))
    rootPid = child.pid
    const target: SweepTarget = { key: request.key }
    if (rootPid !== undefined) Object.assign(target, { rootPid, since: startTimeOf(rootPid) ?? 0 })
    const timer = serves ? undefined : setTimeout(() => kill('timeout'), request.timeoutMs)

    const failure = await Promise.race([exit.promise, killed.promise])
    clearTimeout(timer)
    clearTimeout(ending)
    if (failure instanceof Error && rootPid === undefined) return cannotStart(failure)
    const allDead = await sweep(target)
    await Promise.race([closed.catch(() => {}), sleep(DRAIN_MS)])
    child.stdout?.destroy()
    child.stderr?.destroy()
    live.flush()

    const [out, err] = [stdout(), stderr()]
    return {
      exitCode: child.exitCode,
      ...(killedBy !== undefined && { killedBy }),
      ...(child.signalCode !== null && { signal: child.signalCode }),
      stdout: serves ? '' : out.text,
      stderr: allDead ? err.text : `${err.text}\n[a process of this command could not be killed]`,
      truncated: out.truncated || err.truncated,
    }
  }
  return {
    kill,
    ended: run(),
    write: (text) => void stdin?.write(text),
    end() {
      stdin?.end()
      ending ??= setTimeout(() => kill('aborted'), END_MS)
    },
  }
}

const start = (request: RunRequest | ServeRequest): ChildProcess | Error => {
  const { argv, cwd, env, key } = request
  const serves = request.type === 'serve'
  const input = serves ? undefined : request.input
  const [file, ...args] = argv
  try {
    const child = spawn(file, args, {
      cwd,
      env: { ...env, [CALL_MARKER]: key, [GUARD_MARKER]: guardIdentity() },
      detached: true,
      stdio: [serves || input !== undefined ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    })
    // A command that doesn't read its input is no failure.
    child.stdin?.on('error', () => {})
    if (!serves) child.stdin?.end(input)
    return child
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

const cannotStart = (error: Error): GuardedResult => ({
  exitCode: 127,
  stdout: '',
  stderr: `cannot start the command: ${error.message}`,
  truncated: false,
})

/** Decodes across chunk borders; what is no UTF-8 becomes U+FFFD. */
const collect = (stream: ChildProcess['stdout'], keepChars: number, onText: (text: string) => void) => {
  const decoder = new StringDecoder('utf8')
  const kept = createHeadTail(keepChars)
  const take = (text: string): void => {
    if (text === '') return
    kept.push(text)
    onText(text)
  }
  stream?.on('data', (chunk: Buffer) => take(decoder.write(chunk)))
  stream?.on('error', () => {})
  return () => {
    take(decoder.end())
    return kept.result()
  }
}

/** Nothing more is read from a service than the worker takes. */
const passOn = (stdout: ChildProcess['stdout'], output: LiveOutput) => ({
  push: (chunk: string): void => {
    if (output.push(chunk)) return
    stdout?.pause()
    void output.drained().then(() => stdout?.resume())
  },
  flush: () => {},
})

/** Coalesces, and stops after `LIVE_CHARS`, so that a flood reaches neither worker nor watchers. */
const createLive = (emit: (chunk: string) => void) => {
  let left = LIVE_CHARS
  let waiting = ''
  let timer: NodeJS.Timeout | undefined

  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (waiting !== '') emit(waiting)
    waiting = ''
  }
  const push = (text: string): void => {
    if (left <= 0) return
    waiting += text.slice(0, left)
    left -= text.length
    if (left <= 0) waiting += '\n[live output ends here; the result has its head and tail]\n'
    timer ??= setTimeout(flush, LIVE_EVERY_MS)
  }
  return { push, flush }
}
