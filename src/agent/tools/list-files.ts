import { z } from 'zod'
import { defineTool, type ToolContext } from './tool.ts'
import { type Entry, type EntryType, shownPath, WALK_ENTRIES, walk } from './walk.ts'
import { bytes, createJail } from './workspace-path.ts'

const MAX_ENTRIES = 500

export const listFilesTool = ({ closedDirs }: { closedDirs: readonly string[] }) =>
  defineTool({
    name: 'list_files',
    description:
      'List a directory of the workspace with type and size, folders below it down to a depth. ' +
      'Leaves out what .gitignore names.',
    parameters: z.object({
      path: z.string().optional().describe('Relative to the workspace; its root if absent'),
      depth: z.number().int().min(1).max(10).optional().describe('Levels to show, 2 if absent'),
    }),
    effect: 'read',
    timeoutMs: () => 30_000,
    async run({ path = '.', depth = 2 }, { workspace, signal }: ToolContext) {
      const jail = createJail({ workspace, closedDirs })
      const entries = walk(jail, {
        path: path || '.',
        maxDepth: depth,
        respectIgnore: true,
        sizes: true,
        signal,
      })
      const lines: string[] = []
      for (;;) {
        const next = await entries.next()
        if (next.done === true) return listed(lines, next.value ? '' : `after ${WALK_ENTRIES} entries`)
        if (lines.length === MAX_ENTRIES) {
          await entries.return(true)
          return listed(
            lines,
            `at ${MAX_ENTRIES} entries: there are more, list a folder or use a smaller depth`,
          )
        }
        lines.push(line(next.value))
      }
    },
  })

const listed = (lines: readonly string[], stopped: string) => {
  if (lines.length === 0) return { content: '(nothing to list)' }
  if (stopped === '') return { content: lines.join('\n') }
  return { content: [...lines, `[stopped ${stopped}]`].join('\n'), truncated: true }
}

const TYPES: Record<EntryType, string> = { file: 'file', directory: 'dir ', link: 'link', other: '????' }

const line = ({ type, size, path }: Entry): string => {
  const column = (size === undefined ? '' : bytes(size)).padStart(9)
  return `${TYPES[type]} ${column}  ${shownPath(path)}${type === 'directory' ? '/' : ''}`
}
