/** Clients of the event streams: some read at leisure, some break off and come back, all resume by id. */
import { setTimeout as pause } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import type { Reader } from './history.ts'
import type { Random } from './random.ts'

/** `slow` stops reading for a while again and again; `restless` leaves and comes back. */
export type Manner = 'steady' | 'slow' | 'restless'

const AGAIN_MS = 200
const TERMINAL = ['task_complete', 'task_failed', 'task_cancelled']

export const createReaders = (options: { urls: readonly string[]; random: Random; ending: AbortSignal }) => {
  const { urls, random, ending } = options
  const readers: Reader[] = []
  const running: Promise<void>[] = []

  const follow = (name: string, follows: Reader['follows'], manner: Manner) => {
    const whole = 'session_id' in follows ? { replay: 'all' as const } : {}
    const reader: Reader = { name, follows, ...whole, events: [], connects: [], finished: false }
    readers.push(reader)
    running.push(read(reader, manner))
  }

  const read = async (reader: Reader, manner: Manner) => {
    const path =
      'task_id' in reader.follows
        ? `/api/tasks/${reader.follows.task_id}/events`
        : `/api/sse?session_id=${reader.follows.session_id}&replay=all`
    let lastEventId = ''
    for (let turn = random.integer(0, 1); !ending.aborted; turn += 1) {
      const leaving = new AbortController()
      const connect = { at: Date.now(), status: 0, lastEventId }
      reader.connects.push(connect)
      const leaveAt =
        manner === 'restless' ? setTimeout(() => leaving.abort(), random.between(300, 4000)) : undefined
      try {
        const response = await fetch(`${urls[turn % urls.length]}${path}`, {
          headers: lastEventId === '' ? {} : { 'Last-Event-ID': lastEventId },
          signal: AbortSignal.any([leaving.signal, ending]),
        })
        connect.status = response.status
        if (response.status === 204) {
          reader.finished = true
          return
        }
        if (response.status === 404 && !('session_id' in reader.follows)) return
        const parser = createParser({
          onEvent(event) {
            if (event.id === undefined) return
            lastEventId = event.id
            const { task_id, seq, event_type } = JSON.parse(event.data) as {
              task_id: string
              seq: number
              event_type: string
            }
            reader.events.push({ id: event.id, task_id, seq, type: event_type })
          },
        })
        const decoder = new TextDecoder()
        for await (const chunk of response.body ?? []) {
          parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }))
          if (manner === 'slow' && random.chance(0.1)) await pause(random.between(50, 800))
        }
      } catch {
        // Left, or the connection broke: it comes back.
      } finally {
        clearTimeout(leaveAt)
      }
      if ('task_id' in reader.follows && TERMINAL.includes(reader.events.at(-1)?.type ?? '')) {
        reader.finished = true
        return
      }
      if (!ending.aborted) await pause(AGAIN_MS)
    }
    reader.finished = 'session_id' in reader.follows
  }

  return {
    readers,
    follow,
    /** Resolves when all have ended, which the ending signal makes them do. */
    ended: async () => void (await Promise.all(running)),
  }
}
