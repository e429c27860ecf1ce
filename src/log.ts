import { pino } from 'pino'
import { PinoPretty as pretty } from 'pino-pretty'

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
}

/** JSON lines on stdout, or a readable form on a terminal. Secrets are masked on the finished line. */
export const createLog = (options: LogOptions): Log => {
  const level = options.verbose ? 'debug' : 'info'
  const sink = options.format === 'pretty' ? prettySink() : process.stdout
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => void sink.write(options.redact(line)) },
  )
}

const prettySink = () =>
  pretty({
    colorize: process.stdout.isTTY,
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss.l',
    sync: true,
  })
