/** The SSE answers: a session's or a task's events over the feed, bounded in bytes, resumed by id. */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { messageOf, RedisUnavailable } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ApiMetrics } from '../metrics.ts'
import { type Event, isTerminal } from '../schemas/event.ts'
import type { Archive } from '../tasks/archive.ts'
import { compareIds, LOG_START } from '../tasks/event-log.ts'
import type { EphemeralFrame, Feed } from '../tasks/feed.ts'
import type { TaskRecord } from '../tasks/record.ts'
import type { Store } from '../tasks/store.ts'
import type { EventView, View } from '../tasks/view.ts'
import type { EventStream, EventStreamRequest } from './event-routes.ts'
import { createPulse } from './pulse.ts'

interface Options {
  store: Store
  feed: Feed
  archive: Archive
  view: View
  redact: (text: string) => string
  metrics: ApiMetrics
  /** Ends every stream when this process leaves; clients resume by id elsewhere. */
  stopping: AbortSignal
  log: Log
}

const HEARTBEAT_MS = 15_000
const REPLAY = 1000
/** Bytes buffered for one reader beyond which it is sent no live pieces. */
const BUFFER = 128 * 1024
/** Bytes a live reader may lag behind; then it is dropped and resumes by id. */
const LAG = 1024 * 1024
/** A reader that takes nothing for this long while the log is read is dropped too. */
const STUCK_MS = 30_000
const OUTAGE_RETRY_MS = 250

const HEARTBEAT = Buffer.from(': heartbeat\n\n')

export const createEventStream = (options: Options): EventStream => {
  const { store, feed, archive, metrics } = options
  const frameOf = createFrames(options)
  const heartbeats = createPulse<(frame: Buffer) => void>(HEARTBEAT_MS, (send) => send(HEARTBEAT))
  const open = new Set<AbortController>()
  options.stopping.addEventListener('abort', () => {
    for (const ending of open) ending.abort()
  })

  return async (request) => {
    const known = await findStart(request).catch((error: unknown) => {
      if (error instanceof RedisUnavailable) return null
      throw error
    })
    if (known === 'nothing more') return null
    return (to) => void pour(request, known, to)
  }

  async function pour(request: EventStreamRequest, known: Start | null, to: ServerResponse): Promise<void> {
    const ending = new AbortController()
    const { signal } = ending
    const end = () => ending.abort()
    const drop = (why: string, isSlow = true) => {
      if (signal.aborted) return
      if (isSlow) metrics.sseSlowReaders.inc()
      const { requestId: request_id, task_id, session_id } = request
      options.log.info({ request_id, task_id, session_id, why }, '[ServerCoordinator] event stream dropped')
      end()
      to.destroy()
    }
    const send = (frame: Uint8Array | string) => {
      if (signal.aborted) return
      // Looked at before, so that one event larger than the limit still passes.
      if (to.writableLength > LAG) drop('the reader is too slow')
      else to.write(frame)
    }

    metrics.sseConnections.inc()
    open.add(ending)
    heartbeats.join(send)
    to.on('close', end)
    to.on('error', end)
    if (to.destroyed || options.stopping.aborted) end()
    try {
      send(`retry: 2000\n${named('connected', { session_id: request.session_id })}`)
      const start = known ?? (await startWhenBack(request, signal))
      if (start === null || start === 'nothing more') return
      await feed.follow({
        sessionId: start.sessionId,
        after: start.after,
        signal,
        room: () => roomIn(to, signal, () => drop('the reader takes nothing')),
        onEvent(event) {
          if (request.task_id !== undefined && event.task_id !== request.task_id) return
          send(frameOf.event(event))
          metrics.sseEventsSent.inc({ kind: 'durable' })
          if (request.task_id !== undefined && isTerminal(event)) end()
        },
        onEphemeral(frame) {
          if (request.task_id !== undefined && frame.task_id !== request.task_id) return
          // May be dropped: a reader that lags gets the text with the durable event.
          if (to.writableLength > BUFFER) return
          send(frameOf.ephemeral(frame))
          metrics.sseEventsSent.inc({ kind: 'ephemeral' })
        },
        onTruncated(gap) {
          // A task is trimmed whole, and who gave no id has missed nothing at the start.
          if (request.task_id !== undefined) return
          if (request.lastEventId === undefined && gap.asked === start.after) return
          send(named('log_truncated', gap))
        },
        ...(request.task_id === undefined ? {} : { goesOn: stillThere(request.task_id) }),
      })
    } catch (error) {
      options.log.warn(
        { err: messageOf(error), request_id: request.requestId },
        '[ServerCoordinator] event stream broke',
      )
      drop('the stream broke', false)
    } finally {
      heartbeats.leave(send)
      open.delete(ending)
      metrics.sseConnections.dec()
      to.end()
    }
  }

  /** `nothing more`: the task has ended and the client has seen its terminal event, or it does not exist. */
  async function findStart(request: EventStreamRequest): Promise<Start | 'nothing more'> {
    if (request.task_id === undefined) {
      const sessionId = request.session_id ?? ''
      await archive.ready(sessionId)
      if (request.lastEventId !== undefined) return { sessionId, after: request.lastEventId }
      if (request.replay === 'all') return { sessionId, after: LOG_START }
      return { sessionId, after: await store.idBeforeLast(sessionId, request.replay === 'none' ? 0 : REPLAY) }
    }
    const record = await store.get(request.task_id)
    if (!record) return 'nothing more'
    const after = request.lastEventId ?? record.log_from ?? LOG_START
    return hasNothingAfter(record, after) ? 'nothing more' : { sessionId: record.session_id, after }
  }

  /** A task that Redis lost, or that was deleted, has no end to wait for; who asks again is told 404. */
  function stillThere(taskId: string) {
    return async () => (await store.get(taskId)) !== null
  }

  async function startWhenBack(request: EventStreamRequest, signal: AbortSignal) {
    while (!signal.aborted) {
      try {
        return await findStart(request)
      } catch (error) {
        if (!(error instanceof RedisUnavailable)) throw error
        await pause(OUTAGE_RETRY_MS, undefined, { signal }).catch(() => {})
      }
    }
    return null
  }
}

interface Start {
  sessionId: string
  after: string
}

/** Resolves when the reader has taken what was written, or is gone. `stuck` is called when it takes nothing. */
const roomIn = async (to: ServerResponse, signal: AbortSignal, stuck: () => void): Promise<void> => {
  if (!to.writableNeedDrain) return
  const timer = setTimeout(stuck, STUCK_MS)
  await once(to, 'drain', { signal }).catch(() => {})
  clearTimeout(timer)
}

const hasNothingAfter = (record: TaskRecord, after: string): boolean =>
  record.end_id !== undefined && compareIds(after, record.end_id) >= 0

/** One frame is encoded once, however many readers get it. */
const createFrames = ({ view, redact }: Pick<Options, 'view' | 'redact'>) => {
  const durable = new WeakMap<Event, Uint8Array>()
  const live = new WeakMap<EphemeralFrame, Uint8Array>()
  return {
    event(event: Event): Uint8Array {
      const made = durable.get(event) ?? Buffer.from(durableFrame(view(event)))
      durable.set(event, made)
      return made
    },
    ephemeral(frame: EphemeralFrame): Uint8Array {
      const made = live.get(frame) ?? Buffer.from(named(frame.event_type, masked(frame, redact)))
      live.set(frame, made)
      return made
    },
  }
}

/** Masked before it becomes JSON: a mask in JSON text may take an escape with it. */
const masked = (frame: EphemeralFrame, redact: (text: string) => string): EphemeralFrame =>
  frame.event_type === 'assistant_message'
    ? { ...frame, delta: redact(frame.delta) }
    : { ...frame, chunk: redact(frame.chunk) }

const durableFrame = (seen: EventView): string => `id: ${seen.id}\n${named(seen.event_type, seen)}`

const named = (name: string, data: object): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
