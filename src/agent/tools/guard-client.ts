/** The worker's side of the guard: keeps one guard process alive and matches its answers to calls. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { extname } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type {
  Guard,
  GuardedCommand,
  GuardedRename,
  GuardedResult,
  GuardedService,
  RunningService,
} from './guard.ts'
import { type FromGuard, readLines, type ToGuard } from './guard-protocol.ts'
import { sweep } from './process-sweep.ts'

/** Beyond a call's time limit or abort: a guard that has not answered by then is dead or stuck, and replaced. */
const STUCK_MS = 15_000
const DISPOSE_MS = 6_000

export interface GuardOptions {
  /** Length of a task's lease; commands are killed 500 ms before it ends. */
  leaseMs: number
}

/** Starts the guard process at once. One for a worker; dispose it last. */
export const createGuard = ({ leaseMs }: GuardOptions): Guard => {
  let lastBeat: number | undefined
  let nextId = 1
  let disposed = false
  let current: GuardLink | undefined = link(leaseMs, undefined)
  let nextBeat = Promise.withResolvers<void>()

  const connect = (): GuardLink => {
    if (current === undefined || current.dead) current = link(leaseMs, lastBeat)
    return current
  }

  return {
    beat(sentAt) {
      lastBeat = Math.max(lastBeat ?? sentAt, sentAt)
      if (current?.dead === false) current.beat(lastBeat)
      nextBeat.resolve()
      nextBeat = Promise.withResolvers()
    },
    run(command) {
      if (command.signal.aborted) return Promise.resolve(ended('aborted', 'aborted before it started'))
      if (disposed) return Promise.resolve(ended('guard', 'not started: the guard was closed'))
      return connect().run(nextId++, command)
    },
    serve(service) {
      return disposed ? closed() : connect().serve(nextId++, service)
    },
    isWatching: () => current?.isWatching() ?? false,
    beaten: () => (disposed ? Promise.resolve() : nextBeat.promise),
    rename(from, to) {
      return disposed ? Promise.resolve('lapsed') : connect().rename(nextId++, from, to)
    },
    temporary(path) {
      const guard = connect()
      guard.send({ type: 'temporary', path, exists: true })
      return { [Symbol.dispose]: () => guard.send({ type: 'temporary', path, exists: false }) }
    },
    async [Symbol.asyncDispose]() {
      disposed = true
      nextBeat.resolve()
      await current?.close()
    },
  }
}

interface GuardLink {
  readonly dead: boolean
  /** A guard with nothing to watch is not woken for it: it is told before what it depends on. */
  beat(sentAt: number): void
  isWatching(): boolean
  send(message: ToGuard): void
  run(id: number, command: GuardedCommand): Promise<GuardedResult>
  serve(id: number, service: GuardedService): RunningService
  rename(id: number, from: string, to: string): Promise<GuardedRename>
  close(): Promise<void>
}

interface OpenCall {
  command: Pick<GuardedCommand, 'key' | 'onOutput'>
  settle: (result: GuardedResult) => void
}

const link = (leaseMs: number, lastBeat: number | undefined): GuardLink => {
  const child = startGuard(leaseMs)
  const calls = new Map<number, OpenCall>()
  const renames = new Map<number, PromiseWithResolvers<GuardedRename>>()
  const gone = Promise.withResolvers<void>()
  let dead = false
  let untold = lastBeat

  const replace = (): void => void child.kill('SIGKILL')
  const send = (message: ToGuard): void => void child.stdin.write(`${JSON.stringify(message)}\n`)
  const tellBeat = () => {
    if (untold !== undefined) send({ type: 'beat', sentAt: untold })
    untold = undefined
  }

  readLines(child.stdout, (line) => {
    const message: FromGuard = JSON.parse(line)
    const call = calls.get(message.id)
    if (message.type === 'renamed') {
      const { outcome, id } = message
      if (typeof outcome === 'string') renames.get(id)?.resolve(outcome)
      else renames.get(id)?.reject(new Error(outcome.failed))
      renames.delete(id)
    } else if (message.type === 'output') call?.command.onOutput?.(message.chunk)
    else call?.settle(message.result)
  })

  const bury = async (): Promise<void> => {
    if (dead) return
    dead = true
    for (const { resolve } of renames.values()) resolve('unknown')
    // Through bubblewrap all died with the guard; without it they are found by their marker.
    await Promise.all(
      [...calls.values()].map(async ({ command, settle }) => {
        await sweep({ key: command.key })
        settle(ended('guard', 'the guard process died and the command was killed'))
      }),
    )
    gone.resolve()
  }
  // Not `exit`: answers may still be in the pipe then.
  child.once('close', () => void bury())
  child.once('error', () => void bury())

  return {
    get dead() {
      return dead
    },
    beat(sentAt) {
      untold = sentAt
      if (calls.size > 0) tellBeat()
    },
    isWatching: () => calls.size > 0,
    send,
    run: (id, command) =>
      new Promise((resolve) => {
        let stuck = setTimeout(replace, command.timeoutMs + STUCK_MS)
        const onAbort = (): void => {
          send({ type: 'abort', id })
          clearTimeout(stuck)
          stuck = setTimeout(replace, STUCK_MS)
        }
        const settle = (result: GuardedResult): void => {
          clearTimeout(stuck)
          command.signal.removeEventListener('abort', onAbort)
          calls.delete(id)
          resolve(result)
        }
        calls.set(id, { command, settle })
        command.signal.addEventListener('abort', onAbort, { once: true })
        const { onOutput: _, signal: __, ...request } = command
        tellBeat()
        send({ type: 'run', id, ...request })
      }),
    serve(id, service) {
      const { promise, resolve } = Promise.withResolvers<GuardedResult>()
      let alive = true
      const settle = (result: GuardedResult): void => {
        alive = false
        calls.delete(id)
        resolve(result)
      }
      calls.set(id, { command: service, settle })
      const { onOutput: _, ...request } = service
      tellBeat()
      send({ type: 'serve', id, ...request })
      return {
        write: (text) => void (alive && send({ type: 'input', id, text })),
        end: () => void (alive && send({ type: 'end', id })),
        ended: promise,
      }
    },
    rename(id, from, to) {
      const answer = Promise.withResolvers<GuardedRename>()
      renames.set(id, answer)
      tellBeat()
      send({ type: 'rename', id, from, to })
      return answer.promise
    },
    async close() {
      if (dead) return gone.promise
      child.stdin.end()
      const timer = setTimeout(replace, DISPOSE_MS)
      await gone.promise
      clearTimeout(timer)
    },
  }
}

/** A session of its own and an empty environment: no signal to the worker's group and no secret reaches it. */
const startGuard = (leaseMs: number): ChildProcessByStdio<Writable, Readable, null> => {
  const script = new URL(`./guard-process${extname(import.meta.filename)}`, import.meta.url)
  // Its heap never grows, and V8 would look every 8 s whether it could shrink.
  const child = spawn(process.execPath, ['--no-memory-reducer', fileURLToPath(script), String(leaseMs)], {
    detached: true,
    env: {},
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  // A guard that died is noticed by its exit.
  child.stdin.on('error', () => {})
  return child
}

const closed = (): RunningService => ({
  write: () => {},
  end: () => {},
  ended: Promise.resolve(ended('guard', 'not started: the guard was closed')),
})

const ended = (killedBy: 'aborted' | 'guard', stderr: string): GuardedResult => ({
  exitCode: null,
  killedBy,
  stdout: '',
  stderr,
  truncated: false,
})
