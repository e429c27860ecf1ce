/** Notices that this worker takes no tickets any more although it could: then only a new process helps. */
import { monotonicMs } from './lease.ts'

interface Options {
  /** Tickets that anybody may take now. Rejects when Redis cannot say. */
  waiting: () => Promise<number>
  hasFreeSlot: () => boolean
}

/** A healthy worker asks for tickets every second while there are any, however it is woken. */
const WEDGED_MS = 15_000
const LOOK_MS = 2500
/** Without a look for so long Redis was away, and nobody could take tickets either. */
const SILENT_MS = 5000

export const createLiveness = ({ waiting, hasFreeSlot }: Options) => {
  const wedged = Promise.withResolvers<never>()
  let idleSince = monotonicMs()
  let lookedAt = idleSince
  const reset = () => {
    idleSince = monotonicMs()
  }
  return {
    /** This worker took a ticket. */
    picked: reset,
    /** To be called with every beat that Redis took while there is work in the fleet. */
    async look(): Promise<void> {
      const now = monotonicMs()
      const silentMs = now - lookedAt
      if (silentMs < LOOK_MS) return
      lookedAt = now
      if (silentMs > SILENT_MS || !hasFreeSlot() || (await waiting().catch(() => 0)) === 0) reset()
      else if (monotonicMs() - idleSince >= WEDGED_MS)
        wedged.reject(new Error('tickets wait and this worker takes none'))
    },
    /** Rejects when tickets have waited, seen at every look, for so long. */
    wedged: wedged.promise,
  }
}
