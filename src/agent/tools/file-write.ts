import { z } from 'zod'
import { defineTool, type ToolContext } from './tool.ts'
import { bytes, createJail } from './workspace-path.ts'
import { replaceFile } from './workspace-write.ts'

export const fileWriteTool = ({ closedDirs }: { closedDirs: readonly string[] }) =>
  defineTool({
    name: 'file_write',
    description:
      'Write a whole file of the workspace; missing folders are created, an existing file is replaced. ' +
      'To change a part of a file use file_edit.',
    parameters: z.object({
      path: z.string().min(1).describe('Relative to the workspace'),
      content: z.string().describe('The complete new content'),
    }),
    effect: 'write',
    timeoutMs: () => 30_000,
    async run({ path, content }, context: ToolContext) {
      const jail = createJail({ workspace: context.workspace, closedDirs })
      const written = await replaceFile(jail, { path, content }, context)
      const size = bytes(Buffer.byteLength(content))
      return { content: `${written.created ? 'Created' : 'Replaced'} ${written.relative} (${size}).` }
    },
  })
