import { existsSync } from 'node:fs'
import { z } from 'zod'
import { LeaseLost } from '../../errors.ts'
import type { GuardedResult } from './guard.ts'
import { MODEL_CHARS, plainText } from './output-cap.ts'
import type { Sandbox } from './sandbox.ts'
import { defineTool, type ToolContext, type ToolOutput } from './tool.ts'

/** The guard ends the command; the registry's own limit only comes after it. */
const KILL_GRACE_MS = 10_000
/** Of stdout and of stderr each, so that both and the headings pass the cap uncut. */
const KEEP_CHARS = Math.floor((MODEL_CHARS - 400) / 2)
const DEFAULT_TIMEOUT_S = 120

export const bashTool = ({ sandbox }: { sandbox: Sandbox }) => {
  const shell = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh'
  return defineTool({
    name: 'bash',
    description:
      'Run a shell command in the workspace and get its exit code, stdout and stderr. No terminal and no input. ' +
      'Everything the command started is killed when it ends: nothing keeps running in the background. ' +
      confinement(sandbox),
    parameters: z.object({
      command: z.string().min(1).max(100_000).describe('Run with bash -c, in the root of the workspace'),
      timeout_s: z.number().min(1).max(600).optional().describe('Seconds, 120 if absent, at most 600'),
    }),
    effect: 'write',
    timeoutMs: ({ timeout_s = DEFAULT_TIMEOUT_S }) => timeout_s * 1000 + KILL_GRACE_MS,
    async run({ command, timeout_s = DEFAULT_TIMEOUT_S }, context: ToolContext) {
      const { workspace, callKey, signal, guard } = context
      const wrapped = await sandbox.wrap([shell, '-c', command], workspace)
      if (!wrapped.ok) return { content: `Not run: ${wrapped.refusal}.`, error: 'refused by the sandbox' }
      signal.throwIfAborted()
      context.assertLease()
      const result = await guard.run({
        key: callKey,
        argv: wrapped.argv,
        cwd: workspace,
        env: wrapped.env,
        timeoutMs: timeout_s * 1000,
        keepChars: KEEP_CHARS,
        onOutput: context.stream,
        signal,
      })
      return report(result, timeout_s)
    },
  })
}

const confinement = (sandbox: Sandbox): string => {
  const { active, network } = sandbox.describe()
  if (!active) return ''
  const online = network === 'none' ? 'There is no network.' : ''
  return `Only the workspace and a /tmp of this one call can be written. ${online}`.trim()
}

const report = (result: GuardedResult, timeoutS: number): ToolOutput => {
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
