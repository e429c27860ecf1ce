/** Port of the guard: the process that owns every child process of a worker's tools. */
export interface GuardedCommand {
  /** Unique; also the marker in the children's environment. */
  key: string
  argv: readonly [string, ...string[]]
  cwd: string
  env: Record<string, string>
  /** Written to the command's standard input, which is then closed. */
  input?: string
  timeoutMs: number
  /** At most this many characters of stdout and of stderr are kept (head and tail). */
  keepChars: number
  onOutput?: (chunk: string) => void
  signal: AbortSignal
}

/** A process that is talked to over its standard input and output for as long as it lives. */
export interface GuardedService {
  /** Unique; also the marker in the environment of the process and its children. */
  key: string
  argv: readonly [string, ...string[]]
  cwd: string
  env: Record<string, string>
  /** All of its standard output, in order. */
  onOutput: (chunk: string) => void
}

export interface RunningService {
  /** Goes to its standard input, unless the lease has run out meanwhile: then it is killed. */
  write(text: string): void
  /** Closes its standard input, and kills it and all it started when it is still there a second later. */
  end(): void
  /** Resolves when it and everything it started are dead. Never rejects. */
  ended: Promise<GuardedResult>
}

export type KilledBy = 'timeout' | 'aborted' | 'lease' | 'guard'

export interface GuardedResult {
  exitCode: number | null
  /**
   * `timeout`, `aborted`, `lease` (the guard heard no heartbeat: killed, or never started), `guard` (the guard
   * itself died and took the command along), or absent when it ended by itself.
   */
  killedBy?: KilledBy
  signal?: string
  stdout: string
  stderr: string
  truncated: boolean
}

/** `lapsed`: not done, the lease may be another's. `unknown`: the guard died, it may or may not be done. */
export type GuardedRename = 'done' | 'lapsed' | 'unknown'

export interface Guard {
  /** Resolves when the command and everything it started are dead. Never rejects for a failed command. */
  run(command: GuardedCommand): Promise<GuardedResult>
  /**
   * Starts a service. Like a command it is killed when the worker is gone or has no confirmed heartbeat, and
   * refused with `killedBy: 'lease'` while there is none. Of its output the result has the tail of stderr only.
   */
  serve(service: GuardedService): RunningService
  /** Something runs that is killed without heartbeats. */
  isWatching(): boolean
  /** Resolves with the next confirmed heartbeat, or at the end of the guard. */
  beaten(): Promise<void>
  /**
   * Renames a file for a worker that may be stopped between its own look at the lease and the act: the guard
   * looks and acts in one. Rejects with the file system's message.
   */
  rename(from: string, to: string): Promise<GuardedRename>
  /** Until disposed: should the worker die, the guard removes this file or folder. */
  temporary(path: string): Disposable
  /**
   * A heartbeat sent at `sentAt` (process.hrtime milliseconds) was confirmed: the lease runs from there.
   * Until the first one every command is refused with `killedBy: 'lease'`.
   */
  beat(sentAt: number): void
  /** Kills all that still runs and ends the guard. */
  [Symbol.asyncDispose](): Promise<void>
}
