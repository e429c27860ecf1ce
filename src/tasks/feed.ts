/**
 * Live events of sessions: one subscriber connection per process, one channel per listened session.
 *
 * Pub/sub may lose messages, the log does not. Each message names the entry before it (`prev`), so a listener
 * notices a gap and reads the log; after a reconnect and every 15 s all are compared with the log's last ids.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { messageOf, RedisUnavailable } from '../errors.ts'
import type { Log } from '../log.ts'
import { startsListening } from '../redis.ts'
import { EphemeralEvent, type Event } from '../schemas/event.ts'
import { createAttempts, type KnownAttempts } from './attempts.ts'
import { compareIds, eventOf, LOG_START } from './event-log.ts'
import { createHeldFrames, type HeldFrames } from './held-frames.ts'
import type { Store } from './store.ts'

export type EphemeralFrame = EphemeralEvent & { session_id: string; task_id: string; timestamp: string }

export interface Listener {
  /** `event` is absent when it was too large to publish: read the log. */
  durable: (message: { prev: string; id: string; event?: Event }) => void
  ephemeral: (frame: EphemeralFrame) => void
  /** Something may have been missed: read the log. */
  gap: () => void
}

export interface FollowOptions {
  sessionId: string
  /** Log id after which to begin. */
  after: string
  signal: AbortSignal
  /** Resolves when there is room for more while the log is read; throws to stop. */
  room: () => Promise<void>
  onEvent: (event: Event) => void
  onEphemeral?: (frame: EphemeralFrame) => void
  /** Of what came after the event `asked` some was trimmed; `first`: the first event there is after it. */
  onTruncated?: (gap: { asked: string; first: string }) => void
  /** Asked before going on after something may have been missed: `false` ends the following. */
  goesOn?: () => Promise<boolean>
}

interface Channel extends KnownAttempts {
  listeners: Set<Listener>
  lastId: string
}

export type Feed = ReturnType<typeof createFeed>

const RECONCILE_MS = 15_000
const OUTAGE_RETRY_MS = 250
const PAGE = 200
/** Sessions compared at once: what is made for a comparison is to die young. */
const COMPARED = 200

export const createFeed = (options: { subscriber: Redis; store: Store; log: Log }) => {
  const { subscriber, store, log } = options
  const channels = new Map<string, Channel>()
  const attempts = createAttempts(store, log)
  const channelOf = (sessionId: string) => store.key('events', sessionId)
  const prefix = channelOf('')

  subscriber.on('message', (channel: string, text: string) => {
    const sessionId = channel.slice(prefix.length)
    const state = channels.get(sessionId)
    if (!state) return
    let message: ReturnType<typeof parseMessage>
    try {
      message = parseMessage(sessionId, text)
    } catch (error) {
      log.warn({ err: messageOf(error), session_id: sessionId }, '[ServerCoordinator] unreadable live event')
      for (const listener of state.listeners) listener.gap()
      return
    }
    if ('frame' in message) {
      if (!message.frame || !attempts.admits(state, message.frame)) return
      for (const listener of state.listeners) listener.ephemeral(message.frame)
      return
    }
    state.lastId = message.id
    if (message.event) attempts.see(state, message.event)
    for (const listener of state.listeners) listener.durable(message)
  })

  const subscribeAll = async () => {
    const names = [...channels.keys()].map(channelOf)
    if (names.length > 0) await subscriber.subscribe(...names)
    for (const state of channels.values()) for (const listener of state.listeners) listener.gap()
  }
  subscriber.on('ready', () => {
    subscribeAll().catch((error: unknown) =>
      log.debug({ err: messageOf(error) }, '[ServerCoordinator] subscribe'),
    )
  })

  const compare = async (ids: readonly string[]) => {
    const known = ids.map((id) => channels.get(id)?.lastId)
    const found = await store.lastIds(ids)
    ids.forEach((id, i) => {
      const state = channels.get(id)
      const last = found[i] ?? LOG_START
      // Further on: something was missed. Further back: Redis lost its last writes, or all.
      if (!state || (compareIds(last, state.lastId) <= 0 && compareIds(last, known[i] ?? LOG_START) >= 0))
        return
      state.lastId = last
      for (const listener of state.listeners) listener.gap()
    })
  }
  const reconcile = async () => {
    const ids = [...channels.keys()]
    while (ids.length > 0) await compare(ids.splice(0, COMPARED))
  }
  const timer = setInterval(() => {
    reconcile().catch((error: unknown) =>
      log.debug({ err: messageOf(error) }, '[ServerCoordinator] reconcile'),
    )
  }, RECONCILE_MS)

  /** Resolves when subscribed; until then (Redis away) nothing is heard, and `gap` is called once it is back. */
  const listen = async (sessionId: string, listener: Listener): Promise<() => void> => {
    const existing = channels.get(sessionId)
    const state: Channel = existing ?? {
      listeners: new Set(),
      lastId: LOG_START,
    }
    state.listeners.add(listener)
    channels.set(sessionId, state)
    const stop = () => {
      if (!state.listeners.delete(listener) || state.listeners.size > 0) return
      if (channels.get(sessionId) !== state) return
      channels.delete(sessionId)
      subscriber.unsubscribe(channelOf(sessionId)).catch(() => {})
    }
    // Always sent, also for a further listener: its answer is the proof that the channel is subscribed.
    startsListening(subscriber)
    if (subscriber.status === 'ready') await subscriber.subscribe(channelOf(sessionId)).catch(() => {})
    return stop
  }

  // Followers that one message sends to the log at once read it together. A later one may not join them:
  // what it was told of may have been written after their read.
  type Read = ReturnType<Store['readLogFrom']>
  const reading = new Map<string, Read>()
  const readTogether = (sessionId: string, after: string): Read => {
    const place = `${sessionId} ${after}`
    const already = reading.get(place)
    if (already) return already
    const read = store.readLogFrom(sessionId, after, PAGE)
    reading.set(place, read)
    process.nextTick(() => reading.delete(place))
    return read
  }

  /** Every durable event after `after`, once and in order, until the signal aborts. */
  const follow = async (f: FollowOptions): Promise<void> => {
    let last = f.after
    let live = false
    let missed = false
    let told = LOG_START
    let doubtful = false
    let wake = () => {}
    let held: HeldFrames | undefined
    const behind = () => {
      live = false
      missed = true
      doubtful = true
      wake()
    }
    const deliver = (event: Event) => {
      const state = channels.get(f.sessionId)
      if (state) attempts.see(state, event)
      if (state && compareIds(event.id, state.lastId) > 0) state.lastId = event.id
      last = event.id
      f.onEvent(event)
    }
    const stop = await listen(f.sessionId, {
      durable(message) {
        if (compareIds(message.id, last) <= 0) return
        if (!live) held?.event(message.id)
        if (live && message.event && message.prev === last) deliver(message.event)
        else behind()
      },
      ephemeral(frame) {
        if (!f.onEphemeral) return
        if (live) f.onEphemeral(frame)
        else (held ??= createHeldFrames(f.onEphemeral)).frame(frame)
      },
      gap: behind,
    })
    f.signal.addEventListener('abort', behind, { once: true })
    try {
      while (!f.signal.aborted) {
        missed = false
        try {
          const { events: page, trimmedTo } = await readTogether(f.sessionId, last)
          if (last !== LOG_START && trimmedTo !== told && compareIds(last, trimmedTo) < 0) {
            f.onTruncated?.({ asked: last, first: page[0]?.id ?? trimmedTo })
            told = trimmedTo
          }
          for (const event of page) {
            await f.room()
            if (f.signal.aborted) return
            held?.before(event.id)
            deliver(event)
          }
          if (page.length > 0 || missed) continue
          live = true
          held?.all()
          held = undefined
          if (doubtful && f.goesOn && !(await f.goesOn())) return
          doubtful = missed
        } catch (error) {
          if (!(error instanceof RedisUnavailable)) throw error
          await pause(OUTAGE_RETRY_MS, undefined, { signal: f.signal }).catch(() => {})
          continue
        }
        await new Promise<void>((resolve) => {
          wake = resolve
          if (f.signal.aborted || missed) resolve()
        })
      }
    } finally {
      stop()
    }
  }

  return {
    listen,
    follow,
    /** Whether anybody waits for events of some session. */
    isListening: (): boolean => channels.size > 0,
    [Symbol.dispose]() {
      clearInterval(timer)
      subscriber.disconnect()
    },
  }
}

const Message = z.union([
  z.object({
    prev: z.string(),
    id: z.string(),
    task: z.string(),
    seq: z.number(),
    at: z.number(),
    type: z.string(),
    data: z.string().exactOptional(),
    parent: z.string().exactOptional(),
  }),
  z.object({ task: z.string(), at: z.number(), frame: z.unknown() }),
])

/** What `log_event` in lua/lib.lua publishes, or an ephemeral frame (`ephemeralMessage`); null for one of a newer release. */
const parseMessage = (
  sessionId: string,
  text: string,
): { prev: string; id: string; event?: Event } | { frame: EphemeralFrame | null } => {
  const message = Message.parse(JSON.parse(text))
  if ('frame' in message) {
    const { task, at } = message
    const frame = EphemeralEvent.safeParse(message.frame)
    if (!frame.success) return { frame: null }
    return {
      frame: {
        ...frame.data,
        session_id: sessionId,
        task_id: task,
        timestamp: new Date(at).toISOString(),
      },
    }
  }
  const { prev, data, ...entry } = message
  if (data === undefined) return { prev, id: entry.id }
  return { prev, id: entry.id, event: eventOf(sessionId, { ...entry, data }) }
}

/** `at`: ms since the epoch. */
export const ephemeralMessage = (taskId: string, at: number, frame: EphemeralEvent): string =>
  JSON.stringify({ task: taskId, at, frame })
