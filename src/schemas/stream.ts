/**
 * What the event streams send: durable events, which have an id to resume after, and frames that have none.
 * A newer server may send types that are not here; whoever reads a stream passes over them.
 */
import { z } from 'zod'
import { ContextCompression, EphemeralEvent, PLAIN_EVENTS, ThinkComplete } from './event.ts'

/** Where and when a durable event was appended. */
const Place = z.object({
  /** Later events have greater ones; resume after it. */
  id: z.string(),
  timestamp: z.string(),
  session_id: z.string(),
  task_id: z.string(),
  parent_task_id: z.string().exactOptional(),
  /** 1, 2, 3 … within the task. */
  seq: z.number().int(),
})

/** The calls themselves stay in the log; each comes as an event of its own. */
const ThinkCompleteSeen = ThinkComplete.omit({ tool_calls: true }).extend({
  tool_call_count: z.number().int(),
})

const ContextCompressionSeen = ContextCompression.omit({ compression: true }).extend({
  /** What was left out, in short; absent when no summary was made. */
  summary: z.string().exactOptional(),
})

const EventSeen = z.discriminatedUnion('event_type', [
  ...PLAIN_EVENTS,
  ThinkCompleteSeen,
  ContextCompressionSeen,
])

/** An event of the log as clients are shown it: secrets masked, long texts cut. */
export const DurableEvent = z.intersection(Place, EventSeen)
export type DurableEvent = z.infer<typeof DurableEvent>

/**
 * A piece of text as it comes into being. Never stored, may be dropped, and the durable event brings the whole:
 * one whose `offset` is not the length of what was received of this text belongs to a piece that was missed.
 */
export const LiveFrame = z.intersection(
  z.object({ session_id: z.string(), task_id: z.string(), timestamp: z.string() }),
  EphemeralEvent,
)
export type LiveFrame = z.infer<typeof LiveFrame>

/** Part of what was asked for is no longer there: of the events after `asked`, the first that is. */
export const LogTruncated = z.object({ asked: z.string(), first: z.string() })
export type LogTruncated = z.infer<typeof LogTruncated>
