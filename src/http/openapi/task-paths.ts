import { z } from 'zod'
import { CancelTask, CancelTasks, TaskListQuery, TaskQuery } from '../../schemas/request.ts'
import {
  CreateTask,
  Task,
  TaskCancelled,
  TaskCreated,
  TaskStats,
  TaskSummary,
  TasksCancelled,
} from '../../schemas/task.ts'
import {
  EXAMPLE,
  idempotencyHeader,
  json,
  type Paths,
  pageHeaders,
  problems,
  replayHeaders,
  taskIdPath,
} from './parts.ts'

const tags = ['Tasks']

const created: TaskCreated = { task_id: EXAMPLE.task, session_id: EXAMPLE.session, status: 'pending' }
const cancelled: TaskCancelled = {
  message: 'Task cancelled successfully',
  task_id: EXAMPLE.nextTask,
  status: 'cancelled',
}
const manyCancelled: TasksCancelled = { cancelled: [EXAMPLE.nextTask], skipped: [] }

export const taskPaths: Paths = {
  '/api/tasks': {
    post: {
      operationId: 'submitTask',
      tags,
      summary: 'Submit a task',
      description:
        'The task is kept before the answer is sent and runs whatever becomes of this connection. Tasks of one session run one after another. After a 503 it may have been accepted: repeat it with the same `Idempotency-Key`.',
      requestParams: { header: idempotencyHeader },
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: CreateTask,
            examples: {
              simple: { summary: 'Just a task', value: { task: 'Explain what this repository does' } },
              bounded: {
                summary: 'In a session, reading only, within a budget',
                value: {
                  task: 'Find the slowest test and say why it is slow',
                  session_id: EXAMPLE.session,
                  tool_preset: 'read-only',
                  max_iterations: 20,
                  max_total_tokens: 200_000,
                  timeout_s: 600,
                  metadata: { team: 'platform' },
                },
              },
            },
          },
        },
      },
      responses: {
        201: json('Submitted', TaskCreated, { example: created, headers: replayHeaders }),
        200: json('What this `Idempotency-Key` was answered before', TaskCreated, { headers: replayHeaders }),
        ...problems({
          400: '`invalid_request`, `invalid_json`, `unknown_preset` or `unknown_price`',
          409: '`idempotency_conflict`: the key was used for another body; `session_deleted`',
        }),
      },
    },
    get: {
      operationId: 'listTasks',
      tags,
      summary: 'List tasks',
      description:
        'Running, waiting, pending, then ended ones, newest first in each; texts cut to 200 characters, without results. One that moves while you page may come twice, never be skipped.',
      requestParams: {
        query: TaskListQuery.extend({
          status: TaskListQuery.shape.status.meta({ example: ['completed', 'failed'] }),
          session_id: TaskListQuery.shape.session_id.meta({ example: EXAMPLE.session }),
        }),
      },
      responses: {
        200: json('A page', z.array(TaskSummary), { headers: pageHeaders }),
        ...problems(),
      },
    },
  },
  '/api/tasks/stats': {
    get: {
      operationId: 'taskStats',
      tags,
      summary: 'How many tasks there are of each status',
      responses: { 200: json('The numbers', TaskStats), ...problems() },
    },
  },
  '/api/tasks/{id}': {
    get: {
      operationId: 'getTask',
      tags,
      summary: 'A task as it stands now, or when it has ended',
      requestParams: {
        path: taskIdPath(),
        query: z.object({ wait_s: TaskQuery.shape.wait_s.meta({ example: 30 }) }),
      },
      responses: { 200: json('The task', Task), ...problems({ 404: '`task_not_found`' }) },
    },
  },
  '/api/tasks/{id}/cancel': {
    post: {
      operationId: 'cancelTask',
      tags,
      summary: 'Cancel a task',
      description:
        'Waits up to 2 s for the end; `status` is the true one. A task that is cancelled already answers the same.',
      requestParams: { path: taskIdPath(EXAMPLE.nextTask) },
      requestBody: {
        required: false,
        content: {
          'application/json': {
            schema: CancelTask,
            examples: { reasoned: { summary: 'With a reason', value: { reason: 'no longer needed' } } },
          },
        },
      },
      responses: {
        200: json('Cancelled, or about to be', TaskCancelled, { example: cancelled }),
        ...problems({
          404: '`task_not_found`',
          409: '`task_not_cancellable`: it has ended; the detail names its status',
        }),
      },
    },
  },
  '/api/tasks/cancel': {
    post: {
      operationId: 'cancelTasks',
      tags,
      summary: 'Cancel many tasks',
      description: 'By exactly one of `session_id`, `status`, `task_ids`.',
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: CancelTasks,
            examples: {
              by_session: { summary: 'All of a session', value: { session_id: EXAMPLE.session } },
              by_status: { summary: 'All that wait', value: { status: ['pending', 'waiting'] } },
              by_id: {
                summary: 'These',
                value: { task_ids: [EXAMPLE.nextTask], reason: 'no longer needed' },
              },
            },
          },
        },
      },
      responses: {
        200: json('Which were cancelled, and why others were not', TasksCancelled, {
          example: manyCancelled,
        }),
        ...problems(),
      },
    },
  },
}
