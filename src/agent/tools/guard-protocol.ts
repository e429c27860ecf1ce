/** What worker and guard tell each other: JSON, one message a line, on the guard's stdin and stdout. */
import type { Readable } from 'node:stream'
import type { GuardedCommand, GuardedResult, GuardedService } from './guard.ts'

/** The guard acts this long before the lease ends, so that its killing is done when another worker may begin. */
export const GUARD_MARGIN_MS = 500

export type RunRequest = Omit<GuardedCommand, 'onOutput' | 'signal'> & { type: 'run'; id: number }

export type ServeRequest = Omit<GuardedService, 'onOutput'> & { type: 'serve'; id: number }

export type ToGuard =
  | RunRequest
  | ServeRequest
  /** To a service's standard input. */
  | { type: 'input'; id: number; text: string }
  | { type: 'end'; id: number }
  | { type: 'abort'; id: number }
  | { type: 'rename'; id: number; from: string; to: string }
  | { type: 'temporary'; path: string; exists: boolean }
  /** Milliseconds of process.hrtime: CLOCK_MONOTONIC, the same for every process of the machine. */
  | { type: 'beat'; sentAt: number }

export type FromGuard =
  | { type: 'output'; id: number; chunk: string }
  | { type: 'done'; id: number; result: GuardedResult }
  | { type: 'renamed'; id: number; outcome: 'done' | 'lapsed' | { failed: string } }

export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6

/** Not node:readline: it also breaks at U+2028, which JSON leaves as it is. */
export const readLines = (stream: Readable, receive: (line: string) => void): void => {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) receive(line)
  })
}
