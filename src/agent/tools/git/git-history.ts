import { z } from 'zod'
import { defineTool, type ToolContext } from '../tool.ts'
import { createJail } from '../workspace-path.ts'
import { Commits } from './git-protocol.ts'
import { type GitPrograms, runGit } from './run-git.ts'

const TIMEOUT_MS = 60_000

export const gitHistoryTool = (programs: GitPrograms & { closedDirs: readonly string[] }) =>
  defineTool({
    name: 'git_history',
    description:
      'Search the git history of the workspace, newest first. type says what query is looked for in: message ' +
      '(commit messages), code (commits that add or remove this text), file (commits of this path), author, or ' +
      'date (since a date, or a range 2026-01-01..2026-01-31). Without query the latest commits.',
    parameters: z.object({
      query: z.string().max(1_000).optional().describe('Plain text, not a pattern'),
      type: z.enum(['message', 'code', 'file', 'author', 'date']).optional().describe('message if absent'),
      file: z.string().max(1_000).optional().describe('Only commits of this path, relative to the workspace'),
      limit: z.number().int().min(1).max(100).optional().describe('Commits, 20 if absent'),
    }),
    effect: 'read',
    timeoutMs: () => TIMEOUT_MS + 10_000,
    async run({ query = '', type = 'message', file, limit = 20 }, context: ToolContext) {
      const jail = createJail({ workspace: context.workspace, closedDirs: programs.closedDirs })
      const search = {
        type,
        query: type === 'file' && query !== '' ? jail.locate(query) : query,
        ...(file !== undefined && file !== '' && { file: jail.locate(file) }),
        limit,
      }
      if (query.includes('\0')) return { content: 'query cannot hold a NUL character.', error: 'refused' }
      const operation = { kind: 'history' as const, search }
      const run = { operation, value: Commits, key: 'history', timeoutMs: TIMEOUT_MS }
      const result = await runGit(programs, context, run)
      if (!result.ok) return result.output
      if (result.value.length === 0) return { content: 'No commits found.' }
      const lines = result.value.map(
        ({ hash, date, author, subject }) => `${hash} ${date.slice(0, 16)} ${author}: ${subject}`,
      )
      return { content: lines.join('\n') }
    },
  })
