/**
 * The second of a process. What is done once a second waits for the same one: waking an idle process costs more than
 * most of what it then does, and what is sent together is answered together.
 */
import { setTimeout as pause } from 'node:timers/promises'

/** What nobody waits for is done every so many seconds. Below the 5 s after which a process counts as gone. */
export const IDLE_S = 3

const SECOND_MS = 1000
/** A timer may ring this much before its time, which is not yet the next second. */
const EARLY_MS = 5

/** Milliseconds until `seconds` divide the age of the process. */
export const untilTick = (seconds = 1): number => {
  const period = seconds * SECOND_MS
  const left = period - (performance.now() % period)
  return left < EARLY_MS ? left + period : left
}

/** Resolves then, or as soon as the signal aborts. */
export const tick = (seconds: number, signal: AbortSignal): Promise<void> =>
  pause(untilTick(seconds), undefined, { signal }).catch(() => {})
