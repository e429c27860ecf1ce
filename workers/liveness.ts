/** Notices that this worker takes no tickets any more although it could: then only a new process helps. */
import { tick } from '../src/tick.ts'
import { monotonicMs } from './lease.ts'

interface Options {
  /** Tickets that anybody may take now. Rejects when Redis cannot say. */
  waiting: () => Promise<number>
  hasFreeSlot: () => boolean
  /** Monotonic time of the last beat that Redis took; while it takes none, nobody can take tickets either. */
  confirmedAt: () => number
  signal: AbortSignal
}

/** A healthy worker asks for tickets every second, however it is woken. */
const WEDGED_MS = 15_000
const LOOK_S = 3
const SILENT_MS = 3000

export const createLiveness = (options: Options) => {
  let idleSince = monotonicMs()
  const reset = () => {
    idleSince = monotonicMs()
  }

  const isIdleBesideWork = async (): Promise<boolean> => {
    const asked = monotonicMs()
    if (!options.hasFreeSlot() || asked - options.confirmedAt() > SILENT_MS) return false
    const waiting = await options.waiting().catch(() => 0)
    return waiting > 0 && monotonicMs() - asked < SILENT_MS
  }

  return {
    /** This worker took a ticket. */
    picked: reset,
    /** Resolves true when tickets have waited, seen at every look, for so long; false when the signal aborted. */
    async wedged(): Promise<boolean> {
      reset()
      while (!options.signal.aborted) {
        await tick(LOOK_S, options.signal)
        if (!(await isIdleBesideWork())) reset()
        if (monotonicMs() - idleSince >= WEDGED_MS) return true
      }
      return false
    },
  }
}
