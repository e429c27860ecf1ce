import { z } from 'zod'
import { SessionEventsQuery, TaskEventsQuery } from '../../schemas/request.ts'
import { DurableEvent, LiveFrame, LogTruncated } from '../../schemas/stream.ts'
import { EXAMPLE, lastEventIdHeader, type Paths, problems, taskIdPath } from './parts.ts'

const tags = ['Events']

const Connected = z.object({ session_id: z.string() })

/** Of each message the `data`, as JSON; the field `event` of the message says which it is. */
const Message = z
  .union([DurableEvent, LiveFrame, LogTruncated, Connected])
  .describe('The `data` of one message. Durable events have an `id`; other messages have none.')

const stream = {
  description:
    'Server-sent events: `retry` and `connected` first, a comment every 15 s. While the store is away the stream opens all the same and begins when it is back.',
  content: { 'text/event-stream': { schema: Message } },
}

export const eventPaths: Paths = {
  '/api/sse': {
    get: {
      operationId: 'sessionEvents',
      tags,
      summary: 'The events of a session, as they happen',
      description: 'The session need not exist yet.',
      requestParams: {
        query: SessionEventsQuery.extend({
          session_id: SessionEventsQuery.shape.session_id.meta({ example: EXAMPLE.session }),
          replay: SessionEventsQuery.shape.replay.meta({ example: 'all' }),
        }),
        header: lastEventIdHeader,
      },
      responses: { 200: stream, ...problems() },
    },
  },
  '/api/tasks/{id}/events': {
    get: {
      operationId: 'taskEvents',
      tags,
      summary: 'The events of a task, from its first to the one that ends it',
      requestParams: { path: taskIdPath(), query: TaskEventsQuery, header: lastEventIdHeader },
      responses: {
        200: stream,
        204: { description: 'There is nothing after this `Last-Event-ID`: an EventSource stops' },
        ...problems({ 404: '`task_not_found`' }),
      },
    },
  },
}
