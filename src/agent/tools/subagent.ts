/** Hands parts of a task to tasks of their own, and reads their answers when the last has ended. */
import { z } from 'zod'
import { capText, MODEL_CHARS } from './output-cap.ts'
import { defineTool, type SubtaskResult, type ToolOutput } from './tool.ts'

const MAX_SUBTASKS = 20
const MAX_WORKERS = 10
const TITLE_CHARS = 80
/** Room kept in each subtask's share of the result for what stands around its answer. */
const AROUND_CHARS = 200

export const subagentTool = defineTool({
  name: 'subagent',
  description:
    'Hand independent parts of the work to subagents and wait until all have ended; you get their answers in order. ' +
    'A subagent sees only the text of its subtask, so say in it all that it must know: goal, paths, what to report. ' +
    'It works in the same workspace with the same tools, but has no subagents of its own. ' +
    'parallel: up to max_workers at a time; serial: one after another.',
  parameters: z.object({
    subtasks: z
      .array(
        z
          .string()
          .max(20_000)
          .refine((text) => text.trim() !== '', 'must not be blank'),
      )
      .min(1)
      .max(MAX_SUBTASKS)
      .describe('Each a complete task of its own'),
    mode: z.enum(['parallel', 'serial']).default('parallel'),
    max_workers: z.number().int().min(1).max(MAX_WORKERS).default(3).describe('How many run at a time'),
  }),
  effect: 'durable',
  // Of making them and of reading their answers; how long they take is the task's own time.
  timeoutMs: () => 60_000,
  async run({ subtasks, mode, max_workers }, { delegate }) {
    if (!delegate) return { content: 'Subagents cannot be used here.', error: 'refused' }
    const results = await delegate(subtasks, { maxWorkers: mode === 'serial' ? 1 : max_workers })
    return results === 'waiting' ? { content: '', waiting: true } : render(subtasks, results)
  },
})

const render = (subtasks: readonly string[], results: readonly SubtaskResult[]): ToolOutput => {
  const completed = results.filter(({ status }) => status === 'completed').length
  const share = Math.floor(MODEL_CHARS / (results.length + 1)) - AROUND_CHARS
  const parts = results.map((result, i) => part(i + 1, subtasks[i] ?? '', result, share))
  return {
    content: [`${completed} of ${results.length} subtasks completed.`, ...parts.map(({ text }) => text)].join(
      '\n\n',
    ),
    ...(parts.some(({ truncated }) => truncated) && { truncated: true }),
    ...(completed === 0 && { error: 'no subtask completed' }),
  }
}

const part = (nth: number, subtask: string, result: SubtaskResult, share: number) => {
  const { task_id, status, answer, why } = result
  const { text, truncated } = capText(answer ?? 'no answer', share)
  const complete = status === 'completed'
  const how = complete || why === undefined ? status : `${status} (${cut(why)})`
  const best = complete || answer === undefined ? '' : 'The best answer so far:\n'
  return { text: `## Subtask ${nth}, ${how}: ${cut(subtask)}\n(${task_id})\n${best}${text}`, truncated }
}

const cut = (text: string): string => {
  const line = text.trim().split('\n')[0] ?? ''
  return line.length > TITLE_CHARS ? `${line.slice(0, TITLE_CHARS)}…` : line
}
