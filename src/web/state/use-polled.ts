import { useCallback, useEffect, useRef, useState } from 'react'

export interface Polled<T> {
  /** The last good answer; stays while newer ones fail. */
  data: T | undefined
  error: Error | undefined
  /** Asks now. */
  refresh: () => void
}

/**
 * Asks at once and then every so often, while the page is visible; when it comes into sight again, at once.
 * `load` must keep its identity while it asks the same: another one starts over, with the old data still shown.
 */
export const usePolled = <T>(
  load: (signal: AbortSignal) => Promise<T>,
  everyMs: number | null,
): Polled<T> => {
  const [answer, setAnswer] = useState<{ data: T | undefined; error: Error | undefined }>({
    data: undefined,
    error: undefined,
  })
  const ask = useRef(() => {})

  useEffect(() => {
    const stop = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    let asking = false
    let again = false
    const run = async () => {
      if (asking) {
        again = true
        return
      }
      clearTimeout(timer)
      asking = true
      try {
        const data = await load(stop.signal)
        if (!stop.signal.aborted) setAnswer({ data, error: undefined })
      } catch (error) {
        if (stop.signal.aborted) return
        const why = error instanceof Error ? error : new Error(String(error))
        setAnswer(({ data }) => ({ data, error: why }))
      } finally {
        asking = false
      }
      if (again) {
        again = false
        void run()
      } else if (everyMs !== null && !stop.signal.aborted && document.visibilityState === 'visible') {
        timer = setTimeout(() => void run(), everyMs)
      }
    }
    const onVisible = () => {
      if (document.visibilityState === 'visible' && everyMs !== null) void run()
    }
    ask.current = () => void run()
    document.addEventListener('visibilitychange', onVisible)
    void run()
    return () => {
      stop.abort(new Error('no longer wanted'))
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', onVisible)
    }
  }, [load, everyMs])

  return { ...answer, refresh: useCallback(() => ask.current(), []) }
}
