/** Live pieces that are heard while a follower reads the log: they keep their places between its events. */
import { compareIds } from './event-log.ts'
import type { EphemeralFrame } from './feed.ts'

export type HeldFrames = ReturnType<typeof createHeldFrames>

/** Characters; beyond that all are dropped, and their text comes with its event. */
const MOST = 256 * 1024

export const createHeldFrames = (deliver: (frame: EphemeralFrame) => void) => {
  /** In the order heard; a string is the id of a durable event that was heard in between. */
  let heard: (EphemeralFrame | string)[] = []
  let size = 0
  const release = (count: number) => {
    for (const each of heard.splice(0, count)) {
      if (typeof each === 'string') continue
      size -= textOf(each).length
      deliver(each)
    }
  }
  return {
    frame(frame: EphemeralFrame) {
      size += textOf(frame).length
      if (size > MOST) {
        heard = []
        size = 0
      } else heard.push(frame)
    },
    event: (id: string) => void heard.push(id),
    /** Delivers what was heard before the event `id`. */
    before(id: string) {
      const later = heard.findIndex((each) => typeof each === 'string' && compareIds(each, id) > 0)
      const known = later < 0 ? heard : heard.slice(0, later)
      release(known.findLastIndex((each) => typeof each === 'string') + 1)
    },
    all: () => release(heard.length),
  }
}

const textOf = (frame: EphemeralFrame): string =>
  frame.event_type === 'assistant_message' ? frame.delta : frame.chunk
