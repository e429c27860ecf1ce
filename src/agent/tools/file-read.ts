import { z } from 'zod'
import { MODEL_CHARS } from './output-cap.ts'
import { defineTool, type ToolContext, type ToolOutput } from './tool.ts'
import { createJail, readText } from './workspace-path.ts'

const PAGE_LINES = 2_000
const LINE_CHARS = 2_000
/** Leaves room for the line that says how to go on: a page is never cut in its middle. */
const PAGE_CHARS = MODEL_CHARS - 500

export const fileReadTool = ({ closedDirs }: { closedDirs: readonly string[] }) =>
  defineTool({
    name: 'file_read',
    description:
      'Read a text file of the workspace, with line numbers. A page ends after 2000 lines or about 15000 characters; ' +
      'the result says with which offset to continue.',
    parameters: z.object({
      path: z.string().min(1).describe('Relative to the workspace'),
      offset: z.number().int().min(1).optional().describe('First line to read, from 1'),
      limit: z.number().int().min(1).max(PAGE_LINES).optional().describe('Lines to read, at most 2000'),
    }),
    effect: 'read',
    timeoutMs: () => 30_000,
    async run({ path, offset = 1, limit = PAGE_LINES }, { workspace }: ToolContext) {
      await using file = await createJail({ workspace, closedDirs }).open(path)
      return page(linesOf(await readText(file, path)), offset, limit)
    },
  })

/** The end of the last line begins no further line. */
const linesOf = (text: string): string[] => {
  const lines = text.split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return lines
}

const page = (lines: readonly string[], offset: number, limit: number): ToolOutput => {
  if (lines.length === 0) return { content: '(the file is empty)' }
  if (offset > lines.length) {
    return { content: `The file has only ${lines.length} lines.`, error: 'offset beyond the end' }
  }
  const shown: string[] = []
  let room = PAGE_CHARS
  for (const [index, line] of lines.slice(offset - 1, offset - 1 + limit).entries()) {
    const numbered = `${String(offset + index).padStart(6)}\t${shortened(line)}`
    room -= numbered.length + 1
    if (room < 0) break
    shown.push(numbered)
  }
  const last = offset - 1 + shown.length
  const text = shown.join('\n')
  if (last >= lines.length) return { content: text }
  const notice = `[lines ${offset}–${last} of ${lines.length}; continue with offset ${last + 1}]`
  return { content: `${text}\n${notice}`, truncated: true }
}

const shortened = (line: string): string =>
  line.length <= LINE_CHARS
    ? line
    : `${line.slice(0, LINE_CHARS)} [… ${line.length - LINE_CHARS} characters cut]`
