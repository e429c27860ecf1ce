import { z } from 'zod'
import { findProgram } from '../programs.ts'
import { defineTool, type ToolContext } from '../tool.ts'
import { Proposed } from './git-protocol.ts'
import { type GitPrograms, runGit } from './run-git.ts'

const TIMEOUT_MS = 180_000

export interface GitPrOptions extends GitPrograms {
  /** For gh and git's transport: tokens, the socket of an ssh agent. No other process gets them. */
  credentials: Readonly<Record<string, string>>
}

export const gitPrTool = (options: GitPrOptions) =>
  defineTool({
    name: 'git_pr',
    description:
      'Push the current branch and open a pull request on GitHub for it; returns its URL. Commit first: what is ' +
      'not committed is not part of it.',
    parameters: z.object({
      title: z
        .string()
        .trim()
        .min(1)
        .max(250)
        .optional()
        .describe("The only commit's subject, or the branch"),
      base: z
        .string()
        .regex(/^(?![-/.])[\w./@+-]{1,200}$/, 'must be the name of a branch')
        .optional()
        .describe('Branch to merge into; the default branch if absent'),
    }),
    effect: 'external',
    timeoutMs: () => TIMEOUT_MS + 10_000,
    async run({ title, base }, context: ToolContext) {
      const gh = await findProgram(options.env['PATH'], ['gh'])
      if (gh === undefined) {
        const content =
          'Not done: gh, the command line of GitHub, is not installed on the worker. Nothing was pushed.'
        return { content, error: 'gh is not installed' }
      }
      const result = await runGit(options, context, {
        operation: {
          kind: 'propose',
          gh,
          credentials: { ...options.credentials },
          ...(title !== undefined && { title }),
          ...(base !== undefined && { base }),
        },
        value: Proposed,
        key: 'pr',
        timeoutMs: TIMEOUT_MS,
      })
      if (!result.ok) return result.output
      const { url, existed, branch, base: into } = result.value
      const what = existed ? 'Pushed; there was a pull request already' : 'Opened a pull request'
      return { content: `${what}: ${url} (${branch} into ${into})` }
    },
  })
