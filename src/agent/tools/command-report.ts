/** How the result of a command under the guard reads, and what is said of its confinement beforehand. */
import { LeaseLost } from '../../errors.ts'
import type { GuardedResult } from './guard.ts'
import { MODEL_CHARS, plainText } from './output-cap.ts'
import type { Sandbox } from './sandbox.ts'
import type { ToolOutput } from './tool.ts'

/** The guard ends the command; the registry's own limit only comes after it. */
export const KILL_GRACE_MS = 10_000
/** Of stdout and of stderr each, so that both and the headings pass the cap uncut. */
export const KEEP_CHARS = Math.floor((MODEL_CHARS - 400) / 2)

/** '' when there is none. */
export const confinement = (sandbox: Sandbox): string => {
  const { active, network } = sandbox.describe()
  if (!active) return ''
  const online = network === 'none' ? 'There is no network.' : ''
  return `Only the workspace and a /tmp of this one call can be written. ${online}`.trim()
}

/** Throws `LeaseLost` when the guard ended the command for the lease. */
export const reportCommand = (result: GuardedResult, timeoutS: number): ToolOutput => {
  const ending = endingOf(result, timeoutS)
  const sections = [
    ending.headline,
    section('stdout', result.stdout),
    section('stderr', result.stderr),
  ].filter((text) => text !== '')
  return {
    content: sections.length === 1 ? `${ending.headline}\n(no output)` : sections.join('\n'),
    ...(ending.error !== undefined && { error: ending.error }),
    ...(result.truncated && { truncated: true }),
  }
}

const endingOf = (
  { killedBy, exitCode, signal, stderr }: GuardedResult,
  timeoutS: number,
): { headline: string; error?: string } => {
  switch (killedBy) {
    case 'lease':
      throw new LeaseLost(stderr || 'the guard heard no heartbeat and killed the command')
    case 'timeout':
      return { headline: `killed after ${timeoutS} s (timeout_s); it may have partly run`, error: 'timeout' }
    case 'aborted':
      return { headline: 'stopped before it ended; it may have partly run', error: 'cancelled' }
    case 'guard':
      return {
        headline: 'interrupted: it may or may not have taken effect; check before repeating',
        error: 'interrupted',
      }
    case undefined:
    default: {
      if (exitCode === 0) return { headline: 'exit code 0' }
      const how = exitCode === null ? `killed by ${signal ?? 'a signal'}` : `exit code ${exitCode}`
      return { headline: how, error: how }
    }
  }
}

const section = (title: string, text: string): string => {
  const plain = plainText(text).trimEnd()
  return plain === '' ? '' : `${title}:\n${plain}`
}
