import { z } from 'zod'
import { MAX_WAIT_S } from '../../schemas/request.ts'
import { isEnded, Task } from '../../schemas/task.ts'
import { taskNotFound } from '../problem.ts'

import { defineTool, type McpTool, TaskId, type ToolDeps } from './tool.ts'

/** Below the 60 s after which most clients give up on a call. */
const WAIT_S = 45

/** Whoever waits knows what was asked, and texts may be long. */
const Outcome = Task.omit({ task: true })

export const waitForTask = ({ tasks, stopping }: Pick<ToolDeps, 'tasks' | 'stopping'>): McpTool =>
  defineTool({
    name: 'wait_for_task',
    title: 'Wait for a task',
    description:
      'Waits until a task has ended and returns its outcome: task.result.answer, or task.error of one that failed. When ended is false the time was up first: call it again, the task runs on. Sends progress while it waits.',
    input: z.strictObject({
      task_id: TaskId,
      wait_s: z.number().min(0).max(MAX_WAIT_S).default(WAIT_S).describe('Seconds to wait at most'),
    }),
    output: z.object({
      ended: z.boolean(),
      next: z.string().optional().describe('What to do when it has not ended'),
      task: Outcome,
    }),
    annotations: { readOnlyHint: true, openWorldHint: false },
    async run({ task_id, wait_s }, { signal, onEvent }) {
      const until = stopping ? AbortSignal.any([signal, stopping]) : signal
      const found = await tasks.waitForEnd(task_id, wait_s * 1000, until, onEvent)
      if (found === null) throw taskNotFound(task_id)
      const { task: _, ...task } = found
      if (isEnded(task.status)) return { ended: true, task }
      return { ended: false, next: `still ${task.status}: call wait_for_task again`, task }
    },
  })
