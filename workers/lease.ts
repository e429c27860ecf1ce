import { LeaseLost } from '../src/errors.ts'

/** Milliseconds before the end of a lease in which nothing new with an effect may begin. */
const MARGIN_MS = 500

/** Milliseconds of the monotonic clock, the same in every process of the machine. */
export const monotonicMs = (): number => Number(process.hrtime.bigint() / 1_000_000n)

/**
 * What this process knows of its own lease. It runs from when the confirmed call was *sent*, so it never
 * ends later than the one Redis keeps, however long the answer took or the process stood still.
 */
export const createLeaseClock = (leaseMs: number, sentAt: number) => {
  let until = sentAt + leaseMs - MARGIN_MS
  return {
    renewed(at: number) {
      until = Math.max(until, at + leaseMs - MARGIN_MS)
    },
    /** Throws `LeaseLost` when another activation may own the task by now. */
    assert() {
      if (monotonicMs() >= until) throw new LeaseLost('no heartbeat was confirmed in time')
    },
  }
}
export type LeaseClock = ReturnType<typeof createLeaseClock>
