import { z } from 'zod'
import { defineTool } from './tool.ts'

export const thinkTool = defineTool({
  name: 'think',
  description:
    'Write down a thought: a plan, a weighing of options, what a result means. Changes nothing; it is kept in the log.',
  parameters: z.object({ thought: z.string().min(1).describe('The thought') }),
  effect: 'read',
  timeoutMs: () => 1_000,
  run: async () => ({ content: 'Noted.' }),
})
