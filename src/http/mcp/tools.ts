/** What other agents and editors can ask of ALEX over MCP; the same service and schemas as the REST routes. */
import { z } from 'zod'
import { AGENT_PRESETS, TOOL_PRESETS } from '../../agent/presets.ts'
import { MAX_PAGE, Reason, taskFilters } from '../../schemas/request.ts'
import { CreateTask, Task, TaskCreated, TaskStatus, TaskSummary } from '../../schemas/task.ts'
import { IdempotencyKey } from '../idempotency.ts'
import { taskNotFound } from '../problem.ts'
import { defineTool, type McpTool, TaskId, type ToolDeps } from './tool.ts'
import { waitForTask } from './wait-for-task.ts'

/** Few enough for a model to read. */
const LIST_LIMIT = 20

const READS = { readOnlyHint: true, openWorldHint: false }

export const createTools = (deps: ToolDeps): McpTool[] => [
  submitTask(deps),
  waitForTask(deps),
  getTask(deps),
  listTasks(deps),
  cancelTask(deps),
]

const submitTask = ({ orders }: ToolDeps): McpTool => {
  const { shape } = CreateTask
  return defineTool({
    name: 'submit_task',
    title: 'Submit a task',
    description:
      'Hands work to an ALEX agent and returns its task_id at once; the task then runs on its own, whatever becomes of this connection. Call wait_for_task for its answer. The agent sees its workspace and the session, nothing of your conversation: say all it needs to know. Tasks of one session run one after another and remember each other; tasks of different sessions run side by side.',
    input: CreateTask.extend({
      agent_preset: shape.agent_preset.describe(`The kind of agent: ${namesOf(AGENT_PRESETS)}`),
      tool_preset: shape.tool_preset.describe(`What its tools may do: ${namesOf(TOOL_PRESETS)}`),
      idempotency_key: IdempotencyKey.optional().describe(
        'Of your making, 1 to 255 characters: a call repeated with the same key and arguments gives the first task again, not a second one',
      ),
    }),
    output: TaskCreated.extend({
      replayed: z.boolean().describe('It had been submitted by this key before'),
    }),
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
    async run({ idempotency_key, ...task }, request) {
      const { replayed, answer } = await orders.submit(task, idempotency_key, request)
      return { ...answer, replayed }
    },
  })
}

const namesOf = (presets: readonly { name: string }[]) => presets.map(({ name }) => name).join(', ')

const getTask = ({ tasks }: ToolDeps): McpTool =>
  defineTool({
    name: 'get_task',
    title: 'Get a task',
    description: 'One task as it stands now: status, answer or error, usage, cost.',
    input: z.strictObject({ task_id: TaskId }),
    output: Task,
    annotations: READS,
    async run({ task_id }) {
      const task = await tasks.get(task_id)
      if (task === null) throw taskNotFound(task_id)
      return task
    },
  })

const listTasks = ({ tasks }: ToolDeps): McpTool =>
  defineTool({
    name: 'list_tasks',
    title: 'List tasks',
    description:
      'Tasks in short (texts cut, no answers): running, waiting, pending, then ended ones, newest first in each.',
    input: z.strictObject({
      status: taskFilters.status,
      session_id: taskFilters.session_id,
      q: taskFilters.q,
      limit: z.number().int().min(1).max(MAX_PAGE).default(LIST_LIMIT).describe('Tasks of one page'),
      cursor: z.string().min(1).max(1000).exactOptional().describe('next_cursor of the page before'),
    }),
    output: z.object({
      tasks: z.array(TaskSummary),
      total: z.number().int().optional().describe('Of all pages; absent when a text was asked for'),
      next_cursor: z.string().optional().describe('Absent on the last page'),
    }),
    annotations: READS,
    async run(query) {
      const { items, total, next } = await tasks.list(query)
      return {
        tasks: items,
        ...(total !== undefined && { total }),
        ...(next !== undefined && { next_cursor: next }),
      }
    },
  })

const cancelTask = ({ orders }: ToolDeps): McpTool =>
  defineTool({
    name: 'cancel_task',
    title: 'Cancel a task',
    description:
      'Ends a task that has not ended yet, and its subtasks. What it did until then stays done. status is what it is after up to two seconds: one that still says running is being stopped.',
    input: z.strictObject({ task_id: TaskId, reason: Reason.describe('Shown with the task') }),
    output: z.object({ message: z.string(), task_id: z.string(), status: TaskStatus }),
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    run: ({ task_id, reason }, { requestId }) => orders.cancel(task_id, reason, requestId),
  })
