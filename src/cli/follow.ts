/** A task's events as they happen, from the first to the one that ends it, across broken connections. */
import { setTimeout as sleep } from 'node:timers/promises'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import { z } from 'zod'
import { EphemeralEvent, LogEvent, TERMINAL_EVENTS } from '../schemas/event.ts'
import type { Server } from './server.ts'

/** `think_complete` as clients see it: the calls themselves stay in the log. */
const ThinkComplete = z.object({
  event_type: z.literal('think_complete'),
  iteration: z.number(),
  content: z.string(),
  tool_call_count: z.number(),
})
/** So does how a context was compressed. */
const ContextCompression = z.object({
  event_type: z.literal('context_compression'),
  tokens_before: z.number(),
  tokens_after: z.number(),
})
const Shown = z.union([ThinkComplete, ContextCompression, LogEvent, EphemeralEvent])
export type Shown = z.infer<typeof Shown>

export interface Frame {
  event_type: string
  /** As it came. */
  data: string
  /** Durable events have an id. */
  durable: boolean
  /** Null for what this release does not know. */
  event: Shown | null
}

const RECONNECT_MS = 1_000
/** The service may be restarted meanwhile; after so long it is not coming back by itself. */
const GIVE_UP_MS = 120_000

/** Throws when the server refuses, or has been away for two minutes. */
export async function* followTask(server: Server, taskId: string): AsyncGenerator<Frame> {
  let lastId: string | undefined
  let lastSeen = Date.now()
  for (;;) {
    try {
      for await (const frame of connection(server, taskId, lastId)) {
        lastSeen = Date.now()
        lastId = frame.id ?? lastId
        yield frame
        if (isTerminalType(frame.event_type)) return
      }
    } catch (error) {
      if (error instanceof Refused || Date.now() - lastSeen > GIVE_UP_MS) throw error
    }
    await sleep(RECONNECT_MS)
  }
}

/** The server understood and will not; asking again is no use. */
export class Refused extends Error {
  override name = 'Refused'
}

async function* connection(
  server: Server,
  taskId: string,
  lastId?: string,
): AsyncGenerator<Frame & { id?: string }> {
  const headers = {
    Accept: 'text/event-stream',
    ...(lastId === undefined ? {} : { 'Last-Event-ID': lastId }),
  }
  const response = await server.request(`/api/tasks/${taskId}/events`, { headers })
  if (response.status === 204) throw new Refused('the task has ended and its last event was already seen')
  if (response.status >= 400 && response.status < 500) throw new Refused(await problemText(response))
  if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`)
  const messages = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream())
  for await (const { id, event, data } of messages) {
    const parsed = Shown.safeParse(parseOr(data))
    yield {
      ...(id ? { id } : {}),
      event_type: event ?? 'message',
      data,
      durable: Boolean(id),
      event: parsed.data ?? null,
    }
  }
}

const isTerminalType = (type: string): boolean => TERMINAL_EVENTS.some((each) => each === type)

const parseOr = (data: string): unknown => {
  try {
    return JSON.parse(data)
  } catch {
    return null
  }
}

const Problem = z.object({
  detail: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
})

/** What an error answer says, for people. */
export const problemText = async (response: Response): Promise<string> => {
  const text = await response.text()
  const problem = Problem.safeParse(parseOr(text)).data
  if (problem === undefined) return `HTTP ${response.status} ${text.slice(0, 200)}`.trim()
  const fields = (problem.errors ?? []).map(({ path, message }) => `\n  ${path}: ${message}`)
  return problem.detail + fields.join('')
}
