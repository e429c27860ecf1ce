import { EventSource } from 'eventsource'
import { onTestFinished } from 'vitest'
import type { EventType } from '../../src/schemas/event.ts'
import { expectDocumented } from './documented.ts'

export interface Seen {
  id: string
  event_type: EventType
  task_id: string
  seq: number
  [field: string]: unknown
}

const TYPES: EventType[] = [
  'task_queued',
  'task_started',
  'task_resumed',
  'iteration_start',
  'model_call_start',
  'model_call_end',
  'think_complete',
  'tool_call_start',
  'tool_call_complete',
  'iteration_complete',
  'context_compression',
  'error',
  'task_complete',
  'task_failed',
  'task_cancelled',
]
export const EPHEMERAL = ['assistant_message', 'tool_call_stream'] as const

/** Follows a stream with a third party's client until the test ends, which fails if an event is not as documented. */
export const watch = (url: string) => {
  const source = new EventSource(url)
  const events: Seen[] = []
  const live: Record<string, unknown>[] = []
  let look = () => {}
  for (const type of TYPES)
    source.addEventListener(type, (message) => {
      if (typeof message.data !== 'string') return
      events.push(JSON.parse(message.data) as Seen)
      look()
    })
  for (const type of EPHEMERAL)
    source.addEventListener(type, (message) => {
      live.push(JSON.parse(String(message.data)) as Record<string, unknown>)
      look()
    })
  onTestFinished(() => {
    source.close()
    for (const event of events) expectDocumented('/components/schemas/DurableEvent', event)
    for (const frame of live) expectDocumented('/components/schemas/LiveFrame', frame)
  })

  const until = async <T>(found: () => T | undefined): Promise<T> => {
    for (;;) {
      const value = found()
      if (value !== undefined) return value
      await new Promise<void>((resolve) => {
        look = resolve
      })
    }
  }
  return {
    events,
    live,
    /** The first event of this type (of this task), now or when it comes. */
    next: (type: EventType, taskId?: string) =>
      until(() => events.find((event) => event.event_type === type && (!taskId || event.task_id === taskId))),
    nextLive: (type: (typeof EPHEMERAL)[number]) =>
      until(() => live.find((frame) => frame['event_type'] === type)),
    until,
  }
}
