/** How long to wait before asking again, and the waiting. */
import { AlexError } from './error.ts'

const FIRST_MS = 250
const LONGEST_MS = 5_000
const LONGEST_ASKED_MS = 60_000

/** Doubles from a quarter of a second to five, less up to a half by chance; at least what the server asked for. */
export const backOff = (failures: number, error: unknown): number => {
  const asked = error instanceof AlexError ? (error.retryAfterMs ?? 0) : 0
  const step = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10))
  return Math.max(Math.min(asked, LONGEST_ASKED_MS), step * (0.5 + Math.random() / 2))
}

/** Rejects with the signal's reason. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(reasonOf(signal))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal?.aborted) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })

const reasonOf = (signal: AbortSignal | undefined): Error =>
  signal?.reason instanceof Error ? signal.reason : new Error('aborted', { cause: signal?.reason })
