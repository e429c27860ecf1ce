import { relative } from 'node:path'
import { z } from 'zod'
import { LeaseLost } from '../../errors.ts'
import { closedDirsWithin } from './closed-places.ts'
import { createLineCheck, type FoundLine, SHOWN_BYTES } from './found-line.ts'
import type { GuardedResult } from './guard.ts'
import { plainText } from './output-cap.ts'
import { defineTool, type ToolContext, type ToolOutput } from './tool.ts'
import { createJail, type Jail, PathRefused } from './workspace-path.ts'

const TIMEOUT_MS = 60_000
const KEEP_CHARS = 200_000

export interface GrepOptions {
  closedDirs: readonly string[]
  env: Readonly<Record<string, string>>
}

export const grepTool = ({ closedDirs, env }: GrepOptions) =>
  defineTool({
    name: 'grep',
    description:
      'Search the text of files in the workspace with ripgrep. The pattern is a regular expression. ' +
      'Leaves out what .gitignore names. Results are path:line:text.',
    parameters: z.object({
      pattern: z.string().min(1).max(2_000).describe('Regular expression'),
      path: z.string().optional().describe('File or folder, relative to the workspace; its root if absent'),
      file_type: z
        .string()
        .regex(/^[a-z0-9]+$/, 'must be a file type that ripgrep knows')
        .optional()
        .describe("One of ripgrep's file types: ts, js, py, go, rust, md, json …"),
      ignore_case: z.boolean().optional(),
      max_results: z.number().int().min(1).max(1_000).optional().describe('Matching lines, 100 if absent'),
    }),
    effect: 'read',
    timeoutMs: () => TIMEOUT_MS,
    async run(
      { pattern, path = '.', file_type, ignore_case = false, max_results = 100 },
      context: ToolContext,
    ) {
      const { workspace, callKey, signal, guard } = context
      const jail = createJail({ workspace, closedDirs })
      const closed = closedDirsWithin(workspace, closedDirs).map((dir) => relative(workspace, dir))
      await using target = await jail.open(path || '.')
      // ripgrep would wait at a FIFO that it is given by name.
      if (!target.stats.isFile() && !target.stats.isDirectory())
        throw new PathRefused(`${path} is no file or folder`)
      const argv = [
        ...RIPGREP,
        `--max-columns=${SHOWN_BYTES}`,
        ...closed.map((dir) => `--glob=!/${escapeGlob(dir)}`),
        ...(ignore_case ? ['--ignore-case'] : []),
        ...(file_type === undefined ? [] : [`--type=${file_type}`]),
        `--max-count=${max_results + 1}`,
        // After -e and after -- nothing is read as a flag.
        '-e',
        pattern,
        '--',
        `./${target.relative}`,
      ] as const
      const result = await guard.run({
        key: callKey,
        argv: ['rg', ...argv],
        cwd: workspace,
        env: { ...env },
        timeoutMs: TIMEOUT_MS,
        keepChars: KEEP_CHARS,
        signal,
      })
      signal.throwIfAborted()
      return report(result, jail, max_results, signal)
    },
  })

/** Hidden files are searched, closed ones never. */
const RIPGREP = [
  '--no-config --color=never --no-heading --with-filename --line-number --null',
  '--hidden --no-require-git --sort=path --max-filesize=10M --max-columns-preview',
  '--iglob=!.git --iglob=!.env* --iglob=!.alex --iglob=!.alex-*',
].flatMap((flags) => flags.split(' '))

const escapeGlob = (path: string): string => path.replaceAll(/[\\*?[\]{}!]/g, String.raw`\$&`)

const report = async (
  result: GuardedResult,
  jail: Jail,
  maxResults: number,
  signal: AbortSignal,
): Promise<ToolOutput> => {
  if (result.killedBy === 'lease') throw new LeaseLost(result.stderr || 'the guard heard no heartbeat')
  if (result.killedBy !== undefined) {
    const why = result.killedBy === 'timeout' ? `took longer than ${TIMEOUT_MS / 1000} s` : 'was stopped'
    return { content: `The search ${why}. Narrow the path or the pattern.`, error: result.killedBy }
  }
  if (result.exitCode === 127) return { content: NOT_INSTALLED, error: 'ripgrep is missing' }

  const found = result.stdout
    .split('\n')
    .map(readLine)
    .filter((line) => line !== undefined)
  const isInside = createLineCheck(jail)
  const open: string[] = []
  for (const line of found) {
    signal.throwIfAborted()
    if (open.length > maxResults) break
    if (await isInside(line)) open.push(plainText(`${line.path}:${line.number}:${line.text}`))
  }
  const shown = open.slice(0, maxResults)
  // 2 is given for one unreadable file too, beside matches.
  if (shown.length === 0 && result.exitCode === 2) {
    const said = plainText(result.stderr).trim()
    // Of a file it says the name, which may be one that a symlink swapped in just then led to.
    const content = /^rg: \.\//m.test(said)
      ? 'No matches; some files could not be read.'
      : said || 'ripgrep failed'
    return { content, error: 'search failed' }
  }
  if (shown.length === 0) return { content: 'No matches.' }
  if (open.length <= maxResults && !result.truncated) return { content: shown.join('\n') }
  return {
    content: [...shown, `[the first ${shown.length} matches; there are more]`].join('\n'),
    truncated: true,
  }
}

const NOT_INSTALLED = 'ripgrep (rg) is not installed on the worker; install the package ripgrep, or use bash.'

/** `--null` puts a NUL between the path and `line:text`. */
const readLine = (line: string): FoundLine | undefined => {
  const [, path, number, text] = /^([^\0]+)\0(\d+):(.*)$/s.exec(line) ?? []
  if (path === undefined || text === undefined) return undefined
  return { path: path.replace(/^\.\//, ''), number: Number(number), text }
}
