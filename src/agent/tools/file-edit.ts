import { createTwoFilesPatch } from 'diff'
import { z } from 'zod'
import { defineTool, type ToolContext, type ToolOutput } from './tool.ts'
import { createJail, type Jail, readText } from './workspace-path.ts'
import { replaceFile } from './workspace-write.ts'

export const fileEditTool = ({ closedDirs }: { closedDirs: readonly string[] }) =>
  defineTool({
    name: 'file_edit',
    description:
      'Replace a piece of text in a file of the workspace. old_string must match the file exactly, white space ' +
      'included, and only once, unless replace_all is set; give it enough surrounding lines. An empty old_string ' +
      'creates a new file with new_string as its content. Returns a unified diff.',
    parameters: z.object({
      file_path: z.string().min(1).describe('Relative to the workspace'),
      old_string: z.string().describe('The text to replace; without line numbers'),
      new_string: z.string().describe('The text to put there'),
      replace_all: z.boolean().optional().describe('Replace every match'),
    }),
    effect: 'write',
    timeoutMs: () => 30_000,
    async run({ file_path: path, old_string, new_string, replace_all = false }, context: ToolContext) {
      const jail = createJail({ workspace: context.workspace, closedDirs })
      const before = await currentText(jail, path)
      const change = edited(before, { path, old_string, new_string, replace_all })
      if ('refusal' in change) return change.refusal
      const { relative } = await replaceFile(jail, { path, content: change.after }, context)
      return { content: unifiedDiff(relative, before, change.after) }
    },
  })

interface Edit {
  path: string
  old_string: string
  new_string: string
  replace_all: boolean
}

type Change = { after: string } | { refusal: ToolOutput }

/** Undefined when there is no such file. */
const currentText = async (jail: Jail, path: string): Promise<string | undefined> => {
  try {
    await using file = await jail.open(path)
    return await readText(file, path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

const edited = (before: string | undefined, edit: Edit): Change => {
  const { path, old_string, new_string, replace_all } = edit
  if (old_string === '') {
    if (before === undefined) return { after: new_string }
    return refuse(`${path} exists already; an empty old_string only creates files.`, 'file exists')
  }
  if (before === undefined) return refuse(`There is no file ${path}.`, 'not found')
  if (old_string === new_string) return refuse('old_string and new_string are the same.', 'nothing to change')

  const [search, replacement] = inLineEndingsOf(before, old_string, new_string)
  const pieces = before.split(search)
  const matches = pieces.length - 1
  if (matches === 0) {
    return refuse(
      `old_string was not found in ${path}: 0 matches. Read the file again and copy it exactly.`,
      'no match',
    )
  }
  if (matches > 1 && !replace_all) {
    const hint = 'Give more surrounding text, or set replace_all.'
    return refuse(`old_string matches ${matches} times in ${path}. ${hint}`, `${matches} matches`)
  }
  return { after: pieces.join(replacement) }
}

/** A model sees and writes plain newlines, also where the file has carriage returns. */
const inLineEndingsOf = (file: string, search: string, replacement: string): [string, string] => {
  if (file.includes(search) || !file.includes('\r\n')) return [search, replacement]
  return [crlf(search), crlf(replacement)]
}

const crlf = (text: string): string => text.replaceAll(/\r?\n/g, '\r\n')

const refuse = (content: string, error: string): Change => ({ refusal: { content, error } })

/** Computing a diff of two very different large texts takes long. */
const DIFF_MS = 1_000

const unifiedDiff = (path: string, before: string | undefined, after: string): string => {
  const from = before === undefined ? '/dev/null' : `a/${path}`
  const options = { context: 3, timeout: DIFF_MS }
  const patch = createTwoFilesPatch(from, `b/${path}`, before ?? '', after, undefined, undefined, options)
  return patch?.replace(/^=+\n/, '') ?? `Changed ${path}; the difference is too large to show.`
}
