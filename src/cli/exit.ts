/** What the command line says with its exit code. */
export const EXIT = {
  done: 0,
  failed: 1,
  refused: 2,
  unreachable: 3,
  cancelled: 4,
  interrupted: 130,
} as const

export const EXIT_HELP = `
Exit codes:
  0    done; the task completed
  1    it failed; the task failed; health: unhealthy; doctor: a problem
  2    used wrongly, or the server refuses (unknown task, bad field, token)
  3    nobody answers there; status: not running
  4    the task was cancelled by somebody else
  78   the configuration is wrong
  130  left with Ctrl-C, or cancelled by it
`

/** The action's result is the exit code. */
export const exitWith =
  <Args extends unknown[]>(action: (...args: Args) => number | Promise<number>) =>
  async (...args: Args): Promise<void> => {
    process.exitCode = await action(...args)
  }

export const complain = (message: string, code: number): number => {
  process.stderr.write(`${message}\n`)
  return code
}

/** Used wrongly, found out behind the parser. */
export class UsageError extends Error {
  override name = 'UsageError'
}
