import { Hono } from 'hono'
import type { Log } from '../log.ts'
import { CancelTask, CancelTasks, TaskListQuery, TaskQuery } from '../schemas/request.ts'
import { CreateTask } from '../schemas/task.ts'
import type { CancelFilter, TaskService } from '../tasks/service.ts'
import { readBody } from './body.ts'
import { idempotencyKey } from './idempotency.ts'
import { linkNext } from './paging.ts'
import { taskNotFound } from './problem.ts'
import { noQuery, queryReader } from './query.ts'
import type { ApiEnv } from './request-id.ts'
import { createTaskOrders, requestedBy } from './task-orders.ts'

const waitQuery = queryReader(TaskQuery.shape)
const listQuery = queryReader(TaskListQuery.shape, { repeatable: ['status'] })

export const taskRoutes = (deps: {
  tasks: TaskService
  log: Log
  /** Ends long polls early when this process leaves. */
  stopping?: AbortSignal
}): Hono<ApiEnv> => {
  const { tasks, log, stopping } = deps
  const orders = createTaskOrders(deps)
  return new Hono<ApiEnv>()
    .post('/api/tasks', async (c) => {
      noQuery(c)
      const key = idempotencyKey(c)
      const { replayed, answer } = await orders.submit(await readBody(c, CreateTask), key, c.var)
      c.header('Location', `/api/tasks/${answer.task_id}`)
      if (!replayed) return c.json(answer, 201)
      c.header('Idempotent-Replayed', 'true')
      return c.json(answer, 200)
    })
    .get('/api/tasks', async (c) => {
      const page = await tasks.list(listQuery(c))
      c.header('X-Total-Count', String(page.total))
      linkNext(c, page.next)
      return c.json(page.items)
    })
    .get('/api/tasks/stats', async (c) => {
      noQuery(c)
      return c.json(await tasks.stats())
    })
    .get('/api/tasks/:id', async (c) => {
      const { wait_s } = waitQuery(c)
      const id = c.req.param('id')
      const signal = stopping ? AbortSignal.any([c.req.raw.signal, stopping]) : c.req.raw.signal
      const task = wait_s > 0 ? await tasks.waitForEnd(id, wait_s * 1000, signal) : await tasks.get(id)
      if (task === null) throw taskNotFound(id)
      return c.json(task)
    })
    .post('/api/tasks/cancel', async (c) => {
      noQuery(c)
      const body = await readBody(c, CancelTasks)
      const result = await tasks.cancelMany(filterOf(body), requestedBy(body.reason))
      log.info(
        { request_id: c.get('requestId'), ...result },
        `[ServerCoordinator] ${result.cancelled.length} tasks cancelled`,
      )
      return c.json(result)
    })
    .post('/api/tasks/:id/cancel', async (c) => {
      noQuery(c)
      const id = c.req.param('id')
      const body = await readBody(c, CancelTask, { optional: true })
      return c.json(await orders.cancel(id, body.reason, c.get('requestId')))
    })
}

const filterOf = ({ session_id, status, task_ids }: CancelTasks): CancelFilter => {
  if (session_id !== undefined) return { session_id }
  if (status !== undefined) return { status }
  return { task_ids: task_ids ?? [] }
}
