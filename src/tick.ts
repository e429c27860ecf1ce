/**
 * The second of a process. What is done once a second waits for the same one: waking an idle process costs more than
 * most of what it then does, and what is sent together is answered together.
 */
import { setTimeout as pause } from 'node:timers/promises'

/** How often a process wakes by itself, in seconds. One part of it knows and sets it; all others wait for the same tick. */
export interface Rhythm {
  everyS: number
}

/** Of a worker while the whole fleet has nothing to do. */
export const QUIET_S = 10

/** What nobody waits for is done every so many seconds. Whatever else waits divides it: nothing wakes a process for itself. */
export const IDLE_S = 30

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
