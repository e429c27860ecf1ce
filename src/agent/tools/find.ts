import { relative } from 'node:path'
import picomatch from 'picomatch'
import { z } from 'zod'
import { defineTool, type ToolContext } from './tool.ts'
import { shownPath, WALK_ENTRIES, walk } from './walk.ts'
import { createJail } from './workspace-path.ts'

const MAX_FOUND = 100
const MAX_DEPTH = 30

export const findTool = ({ closedDirs }: { closedDirs: readonly string[] }) =>
  defineTool({
    name: 'find',
    description:
      'Find files and folders of the workspace by name. The name is a glob such as *.ts; with a slash in it, such ' +
      'as src/**/*.test.ts, it is matched against the path below `path`. Shows the first 100. Does not look into ' +
      'node_modules, unless path does.',
    parameters: z.object({
      name: z.string().min(1).max(256).describe('Glob pattern'),
      path: z.string().optional().describe('Folder to search, relative to the workspace; its root if absent'),
      type: z.enum(['f', 'd']).optional().describe('f: files only, d: folders only'),
      max_depth: z.number().int().min(1).max(MAX_DEPTH).optional().describe('Levels to search'),
    }),
    effect: 'read',
    timeoutMs: () => 60_000,
    async run(
      { name, path = '.', type, max_depth: maxDepth = MAX_DEPTH },
      { workspace, signal }: ToolContext,
    ) {
      const jail = createJail({ workspace, closedDirs })
      const root = jail.locate(path || '.')
      // No extglobs: their nesting makes a matcher that never ends.
      const matches = picomatch(name, { dot: true, noextglob: true })
      const wanted = type === undefined ? undefined : WANTED[type]
      const entries = walk(jail, { path: path || '.', maxDepth, notEntered: ['node_modules'], signal })
      const found: string[] = []
      for (;;) {
        const next = await entries.next()
        if (next.done === true) return report(found, next.value ? '' : `after ${WALK_ENTRIES} entries`)
        const entry = next.value
        if (wanted !== undefined && entry.type !== wanted) continue
        if (!matches(name.includes('/') ? relative(root, entry.path) : entry.name)) continue
        if (found.length === MAX_FOUND) {
          await entries.return(true)
          return report(found, `at the first ${MAX_FOUND}: there are more, narrow the pattern or the path`)
        }
        found.push(`${shownPath(entry.path)}${entry.type === 'directory' ? '/' : ''}`)
      }
    },
  })

const WANTED = { f: 'file', d: 'directory' } as const

const report = (found: readonly string[], stopped: string) => {
  const notice = stopped === '' ? [] : [`[stopped ${stopped}]`]
  if (found.length === 0) return { content: ['Nothing found.', ...notice].join('\n') }
  return { content: [...found, ...notice].join('\n'), ...(stopped !== '' && { truncated: true }) }
}
