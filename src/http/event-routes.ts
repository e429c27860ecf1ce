/** Checks who asks for which stream from where; the stream itself is the event feed's. */
import { type Context, Hono } from 'hono'
import { RedisUnavailable } from '../errors.ts'
import { isStreamId, SessionEventsQuery, TaskEventsQuery } from '../schemas/request.ts'
import type { TaskService } from '../tasks/service.ts'
import { invalidFields } from './field-errors.ts'
import { taskNotFound } from './problem.ts'
import { queryReader } from './query.ts'
import type { ApiEnv, BodyWriter } from './request-id.ts'

export interface EventStreamRequest {
  /** Absent only when the task's session is not known yet because Redis is away. */
  session_id?: string
  /** Only this task's events, from its first to its terminal one. */
  task_id?: string
  /** A stream id; the events after it are sent. */
  lastEventId?: string
  /** What of a session's past is sent without `lastEventId`. */
  replay?: 'all' | 'none'
  /** For the log. */
  requestId: string
}

/** What to write to the client; null when nothing will ever come (204). Throws what `TaskService` throws. */
export type EventStream = (request: EventStreamRequest) => Promise<BodyWriter | null>

const HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
}

const sessionQuery = queryReader(SessionEventsQuery.shape)
const taskQuery = queryReader(TaskEventsQuery.shape)

export const eventRoutes = (deps: { tasks: TaskService; eventStream: EventStream }): Hono<ApiEnv> => {
  const { tasks, eventStream } = deps
  const answer = async (c: Context<ApiEnv>, asked: Omit<EventStreamRequest, 'requestId'>) => {
    const write = await eventStream({ ...asked, requestId: c.get('requestId') })
    if (write === null) return c.body(null, 204)
    c.env.write = write
    return c.body(null, 200, HEADERS)
  }
  return new Hono<ApiEnv>()
    .get('/api/sse', (c) => {
      const { last_event_id, ...asked } = sessionQuery(c)
      const resume = resumeFrom(c, last_event_id)
      if (c.req.method === 'HEAD') return headOnly(c)
      return answer(c, { ...asked, ...resume })
    })
    .get('/api/tasks/:id/events', async (c) => {
      const resume = resumeFrom(c, taskQuery(c).last_event_id)
      const task_id = c.req.param('id')
      const session = await sessionOf(tasks, task_id)
      if (c.req.method === 'HEAD') return headOnly(c)
      return answer(c, { task_id, ...session, ...resume })
    })
}

/** The header goes first: a reconnecting EventSource keeps the URL, and with it an older `last_event_id`. */
const resumeFrom = (c: Context, fromQuery: string | undefined): { lastEventId?: string } => {
  // EventSource implementations differ on whether "nothing seen yet" is an empty header or none.
  const header = c.req.header('Last-Event-ID') || undefined
  const lastEventId = header ?? fromQuery
  if (lastEventId === undefined) return {}
  if (isStreamId(lastEventId)) return { lastEventId }
  throw invalidFields([
    { path: 'Last-Event-ID', message: 'must be the id of an event, as in 1700000000000-0' },
  ])
}

/** While Redis is away the stream opens all the same and finds the task once it can. */
const sessionOf = async (tasks: TaskService, taskId: string): Promise<{ session_id?: string }> => {
  try {
    const task = await tasks.get(taskId)
    if (task === null) throw taskNotFound(taskId)
    return { session_id: task.session_id }
  } catch (error) {
    if (error instanceof RedisUnavailable) return {}
    throw error
  }
}

/** hono answers HEAD by running GET and dropping the body, which would leave a stream open that nobody reads. */
const headOnly = (c: Context): Response => c.body(null, 200, { 'Content-Type': 'text/event-stream' })
