import { existsSync } from 'node:fs'
import { z } from 'zod'
import { confinement, KEEP_CHARS, KILL_GRACE_MS, reportCommand } from './command-report.ts'
import { removedAfter } from './removed-after.ts'
import type { Sandbox } from './sandbox.ts'
import { defineTool, type ToolContext } from './tool.ts'

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
      await using _ = removedAfter(guard, wrapped.forbidden)
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
      return reportCommand(result, timeout_s)
    },
  })
}
