/** The events of a task or a session across broken connections: none lost, none twice, in order. */
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { TerminalEvent } from '../schemas/event.ts'
import type { DurableEvent, LiveFrame, LogTruncated } from '../schemas/stream.ts'
import { AlexError, unreachable } from './error.ts'
import type { Http } from './http.ts'
import { backOff, pause } from './retry.ts'

/** Said by the stream in place of events that are no longer there. */
type TruncatedFrame = LogTruncated & { event_type: 'log_truncated' }

/**
 * Durable events have an `id` and come once each and in order. Live frames (`assistant_message`,
 * `tool_call_stream`) are pieces of text as they are made: one whose `offset` is not the length of what you have
 * of this text starts anew (0) or follows on something missed, and the durable event brings the whole.
 * A newer server may send other types as well: pass over them.
 */
export type StreamEvent = DurableEvent | LiveFrame | TruncatedFrame

export type Connection =
  | { state: 'open' }
  /** The stream goes on after `retryInMs`, from where it was. */
  | { state: 'broken'; error: unknown; retryInMs: number }

export interface EventsOptions {
  /** Ends the iteration: it throws the signal's reason. */
  signal?: AbortSignal | undefined
  /** The id of a durable event: only those after it are sent. */
  after?: string | undefined
  /** Of a session's past without `after`: all, nothing, or (default) the last 1 000 events. */
  replay?: 'all' | 'none' | undefined
  /** Hears of every connection made and lost. */
  onConnection?: ((connection: Connection) => void) | undefined
  /** How long nobody may answer before the iteration throws. Default: for ever. */
  patienceMs?: number | undefined
}

/** The server sends something every 15 s; a connection that is silent for so long is dead. */
const SILENCE_MS = 40_000

const TERMINAL: Readonly<Record<TerminalEvent['event_type'], true>> = {
  task_complete: true,
  task_failed: true,
  task_cancelled: true,
}
const endsTask = (type: string): boolean => Object.hasOwn(TERMINAL, type)

/** A task's stream ends after its terminal event, a session's when the signal says so. */
export async function* followEvents(
  http: Http,
  of: { task: string } | { session: string },
  options: EventsOptions = {},
): AsyncGenerator<StreamEvent, void, undefined> {
  const { signal, onConnection, patienceMs = Number.POSITIVE_INFINITY } = options
  let lastId = options.after
  let failures = 0
  let lastHeard = Date.now()
  for (;;) {
    try {
      const response = await connect(http, of, { ...options, after: lastId })
      if (response === null) return
      onConnection?.({ state: 'open' })
      for await (const messages of response) {
        lastHeard = Date.now()
        // A greeting alone is no success: a server that breaks right after it is asked ever more slowly.
        if (messages.length !== 1 || messages[0]?.event !== 'connected') failures = 0
        for (const message of messages) {
          const event = eventIn(message)
          if (event === undefined) continue
          yield event
          lastId = message.id || lastId
          if ('task' in of && endsTask(event.event_type)) return
        }
      }
      throw unreachable('the stream', 'it ended')
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof AlexError) || !error.isTransient) throw error
      if (Date.now() - lastHeard > patienceMs) throw error
      failures += 1
      const retryInMs = backOff(failures, error)
      onConnection?.({ state: 'broken', error, retryInMs })
      await pause(retryInMs, signal)
    }
  }
}

/** The messages of one connection as they arrive, none for a heartbeat; null when there is nothing more to come. */
const connect = async (
  http: Http,
  of: { task: string } | { session: string },
  { after, replay, signal }: EventsOptions,
): Promise<AsyncGenerator<EventSourceMessage[]> | null> => {
  const silence = createSilence()
  const ask = {
    headers: { Accept: 'text/event-stream', ...(after !== undefined && { 'Last-Event-ID': after }) },
    signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
  }
  try {
    const response =
      'task' in of
        ? await http.once(`/api/tasks/${encodeURIComponent(of.task)}/events`, ask)
        : await http.once('/api/sse', { ...ask, query: { session_id: of.session, replay } })
    if (response.status === 204 || response.body === null) {
      silence.end()
      return null
    }
    if (response.headers.get('Content-Type')?.startsWith('text/event-stream'))
      return read(response.body.getReader(), silence)
    await response.body.cancel()
    throw new AlexError({ status: response.status, code: 'http_error', detail: 'this is no event stream' })
  } catch (error) {
    silence.end()
    throw error
  }
}

async function* read(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  silence: Silence,
): AsyncGenerator<EventSourceMessage[]> {
  const decoder = new TextDecoder()
  let messages: EventSourceMessage[] = []
  const parser = createParser({ onEvent: (message) => messages.push(message) })
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      silence.broken()
      parser.feed(decoder.decode(value, { stream: true }))
      yield messages
      messages = []
    }
  } catch (error) {
    throw unreachable('the stream', error)
  } finally {
    silence.end()
    reader.cancel().catch(() => {})
  }
}

type Silence = ReturnType<typeof createSilence>

/** A connection may die without a word, as a laptop's does while it sleeps. */
const createSilence = () => {
  const dead = new AbortController()
  const start = () =>
    setTimeout(() => dead.abort(unreachable('the stream', 'nothing came for too long')), SILENCE_MS)
  let timer = start()
  const end = () => clearTimeout(timer)
  return {
    signal: dead.signal,
    broken() {
      end()
      timer = start()
    },
    end,
  }
}

/** Undefined for the greeting, and for what is no event of ours. */
const eventIn = ({ event: type, data }: EventSourceMessage): StreamEvent | undefined => {
  if (type === undefined || type === 'connected') return undefined
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server's schemas vouch for it
  return { ...(JSON.parse(data) as object), event_type: type } as StreamEvent
}
