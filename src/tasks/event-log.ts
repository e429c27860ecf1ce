/** Entries of a session's log (a Redis stream) and their live copies, parsed. */
import { z } from 'zod'
import { type Event, LogEvent, type LoggedEvent } from '../schemas/event.ts'

/** Before every entry. */
export const LOG_START = '0-0'

/** What Redis gives as a flat list of name, value. */
export const fieldsOf = (flat: readonly string[]): Record<string, string> => {
  const fields: Record<string, string> = {}
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] ?? ''] = flat[i + 1] ?? ''
  return fields
}

/** Orders two stream ids. */
export const compareIds = (a: string, b: string): number => {
  const [aMs = 0, aSeq = 0] = a.split('-').map(Number)
  const [bMs = 0, bSeq = 0] = b.split('-').map(Number)
  return aMs - bMs || aSeq - bSeq
}

export interface RawEntry {
  id: string
  task: string
  seq: number
  at: number
  type: string
  data: string
  parent?: string
}

export const entryOf = (id: string, flat: readonly string[]): RawEntry => {
  const { task = '', seq = '0', at = '0', type = '', data = '{}', parent } = fieldsOf(flat)
  return {
    id,
    task,
    seq: Number(seq),
    at: Number(at),
    type,
    data,
    ...(parent === undefined ? {} : { parent }),
  }
}

const Payload = z.looseObject({})

/** An entry this release cannot read, because a newer one wrote it, becomes `foreign`. */
export const eventOf = (sessionId: string, entry: RawEntry): Event => ({
  ...loggedOf(entry.type, Payload.parse(JSON.parse(entry.data))),
  id: entry.id,
  timestamp: new Date(entry.at).toISOString(),
  session_id: sessionId,
  task_id: entry.task,
  ...(entry.parent === undefined ? {} : { parent_task_id: entry.parent }),
  seq: entry.seq,
})

/** Of a type this release knows, but not of its shape: nothing to take from a file that anybody may have changed. */
export const isMisshapen = (event: Event): boolean =>
  event.event_type === 'foreign' && KNOWN_TYPES.has(event.type)

const KNOWN_TYPES = new Set<string>(LogEvent.options.map((option) => option.shape.event_type.value))

const loggedOf = (type: string, payload: Record<string, unknown>): LoggedEvent => {
  const known = LogEvent.safeParse({ ...payload, event_type: type })
  return known.success ? known.data : { event_type: 'foreign', type, payload }
}
