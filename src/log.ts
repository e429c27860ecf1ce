import { Writable } from 'node:stream'
import { pino } from 'pino'
import type { PinoPretty } from 'pino-pretty'

/**
 * What layers need of a logger; pino satisfies it. Component tags (`[DI]`, `[ServerCoordinator]`,
 * `[HealthChecker]`, `[MCP]`, `[GitTools]`) stand at the head of the message, so that the operations
 * guide's patterns can be grepped.
 */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Log
}

export interface LogOptions {
  verbose: boolean
  format: 'pretty' | 'json'
  /** Masks configured secrets in a finished line. */
  redact: (text: string) => string
  /** By default this process's stdout. */
  sink?: { write: (text: string) => void }
}

/** JSON lines on stdout, or a readable form on a terminal. Secrets are masked on the finished line. */
export const createLog = async (options: LogOptions): Promise<Log> => {
  const level = options.verbose ? 'debug' : 'info'
  const out = options.sink ?? process.stdout
  // Thirty modules that only a terminal has use for.
  const sink = options.format === 'pretty' ? readable((await import('pino-pretty')).PinoPretty, out) : out
  const log: Log = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => void sink.write(options.redact(line)) },
  )
  return log
}

/** A line for people: time, level, message, then the fields. Stacks of errors follow in lines of their own. */
const readable = (pretty: typeof PinoPretty, out: { write: (text: string) => void }) =>
  pretty({
    colorize: out === process.stdout && process.stdout.isTTY,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    destination: new Writable({
      write(chunk, _, done) {
        out.write(String(chunk))
        done()
      },
    }),
  })
