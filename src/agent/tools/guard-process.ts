/**
 * The guard: one process beside each worker that starts, watches and ends the commands of its tools.
 *
 * It leads a session of its own and kills all its calls when the worker is gone (end of stdin) or when no
 * confirmed heartbeat came in time (a stopped or cut-off worker). It imports nothing but Node's own modules
 * and its siblings, so that it starts at once and stays small.
 */
import { renameSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import type { GuardedResult } from './guard.ts'
import { type GuardedCall, startCall } from './guard-call.ts'
import {
  type FromGuard,
  GUARD_MARGIN_MS,
  monotonicMs,
  type RunRequest,
  readLines,
  type ServeRequest,
  type ToGuard,
} from './guard-protocol.ts'

const leaseMs = Number(process.argv[2])
const calls = new Map<number, GuardedCall>()
const temporaries = new Set<string>()
let deadline = Number.NEGATIVE_INFINITY
let timer: NodeJS.Timeout | undefined

// Not process.stdout, whose writes are documented to block: a stopped worker that reads nothing would stop us.
const toWorker = new Socket({ fd: 1, readable: false, writable: true })
const fromWorker = new Socket({ fd: 0, readable: true, writable: false })

/** False when the pipe is full; all is kept for the worker even so. */
const send = (message: FromGuard): boolean => toWorker.write(`${JSON.stringify(message)}\n`)

const receive = (message: ToGuard): void => {
  switch (message.type) {
    case 'beat':
      deadline = Math.max(deadline, message.sentAt + leaseMs - GUARD_MARGIN_MS)
      return watchDeadline()
    case 'input':
      // The worker may have been stopped between its own look at the lease and this. What was said is never
      // just dropped: a service that missed a request would leave it unanswered.
      if (monotonicMs() >= deadline) killAll()
      else calls.get(message.id)?.write(message.text)
      return
    case 'end':
      return calls.get(message.id)?.end()
    case 'abort':
      return calls.get(message.id)?.kill('aborted')
    case 'rename':
      send({ type: 'renamed', id: message.id, outcome: renamed(message.from, message.to) })
      return
    case 'temporary':
      if (message.exists) temporaries.add(message.path)
      else temporaries.delete(message.path)
      return
    case 'run':
    case 'serve':
      if (monotonicMs() < deadline) return begin(message)
      send({ type: 'done', id: message.id, result: REFUSED })
      return
  }
}

const renamed = (from: string, to: string): 'done' | 'lapsed' | { failed: string } => {
  if (monotonicMs() >= deadline) return 'lapsed'
  try {
    renameSync(from, to)
    return 'done'
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) }
  }
}

const begin = (request: RunRequest | ServeRequest): void => {
  const { id } = request
  const call = startCall(request, {
    push: (chunk) => send({ type: 'output', id, chunk }),
    drained: () => new Promise((resolve) => toWorker.once('drain', resolve)),
  })
  calls.set(id, call)
  void report(id, call)
}

const report = async (id: number, call: GuardedCall): Promise<void> => {
  const result = await call.ended
  calls.delete(id)
  send({ type: 'done', id, result })
}

const watchDeadline = (): void => {
  clearTimeout(timer)
  const left = deadline - monotonicMs()
  if (left > 0) timer = setTimeout(watchDeadline, Math.ceil(left))
  else killAll()
}

const killAll = (): void => {
  for (const call of calls.values()) call.kill('lease')
}

const leave = async (code: number): Promise<void> => {
  deadline = Number.NEGATIVE_INFINITY
  killAll()
  await Promise.allSettled([...calls.values()].map((call) => call.ended))
  for (const path of temporaries) remove(path)
  process.exit(code)
}

const remove = (path: string): void => {
  try {
    rmSync(path, { force: true, recursive: true })
  } catch (error) {
    process.stderr.write(`guard: ${path} stays: ${error instanceof Error ? error.message : String(error)}\n`)
  }
}

const REFUSED: GuardedResult = {
  exitCode: null,
  killedBy: 'lease',
  stdout: '',
  stderr: 'not started: the worker has no confirmed lease',
  truncated: false,
}

// Whoever ends the worker's service politely gives the worker its grace; the end of stdin ends the guard.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
process.on('uncaughtException', (error) => {
  process.stderr.write(`guard: ${error.stack ?? error.message}\n`)
  void leave(1)
})
toWorker.on('error', () => {})
fromWorker.on('error', () => {})
fromWorker.on('close', () => void leave(0))
readLines(fromWorker, (line) => receive(JSON.parse(line)))
