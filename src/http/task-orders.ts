/** What REST and MCP ask of tasks in the same words, with the same failures for both. */
import type { Log } from '../log.ts'
import type { CreateTask, TaskCancelled, TaskCreated } from '../schemas/task.ts'
import type { TaskService } from '../tasks/service.ts'
import type { TraceContext } from '../tracing.ts'
import { idempotencyConflict } from './idempotency.ts'
import { Problem, taskNotFound } from './problem.ts'

export type TaskOrders = ReturnType<typeof createTaskOrders>

/** Both throw a `Problem` for what cannot be done, and what `TaskService` throws; `requestId` goes to the log. */
export const createTaskOrders = (deps: { tasks: TaskService; log: Log }) => {
  const { tasks, log } = deps
  return {
    async submit(
      input: CreateTask,
      idempotencyKey: string | undefined,
      { requestId, trace }: { requestId: string; trace?: TraceContext | undefined },
    ): Promise<{ replayed: boolean; answer: TaskCreated }> {
      const made = await tasks.create(input, idempotencyKey, trace)
      if (made.outcome === 'idempotency_conflict') throw idempotencyConflict()
      if (made.outcome === 'session_deleted') {
        throw new Problem(409, made.outcome, 'this session is being deleted')
      }
      const { outcome, answer } = made
      if (outcome === 'replayed') return { replayed: true, answer }
      const fields = { request_id: requestId, ...answer }
      log.info(fields, `[ServerCoordinator] task accepted ${answer.task_id}`)
      return { replayed: false, answer }
    },

    /** `status` is the true one after waiting up to 2 s for the end. */
    async cancel(taskId: string, reason: string | undefined, requestId: string): Promise<TaskCancelled> {
      const cancelled = await tasks.cancel(taskId, requestedBy(reason))
      if (cancelled.outcome === 'not_found') throw taskNotFound(taskId)
      const { outcome, status } = cancelled
      if (outcome === 'already_ended') {
        throw new Problem(409, 'task_not_cancellable', `${taskId} has already ended: it is ${status}`)
      }
      const fields = { request_id: requestId, task_id: taskId, status }
      log.info(fields, `[ServerCoordinator] task cancelled ${taskId}`)
      return { message: 'Task cancelled successfully', task_id: taskId, status }
    },
  }
}

export const requestedBy = (reason: string | undefined) => {
  const given = reason?.trim()
  return { requestedBy: 'user', ...(given && { reason: given }) }
}
