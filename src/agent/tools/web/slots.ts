/** A fixed number of places; whoever finds none waits in line. */
export interface Slots {
  /** Rejects when `signal` aborts before `work` could begin. */
  run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>
}

export const createSlots = (count: number): Slots => {
  let free = count
  const waiting = new Set<() => void>()

  const turn = async (signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted()
    if (free > 0) {
      free -= 1
      return
    }
    const place = Promise.withResolvers<void>()
    // Who was given a place in the same moment keeps it.
    const giveUp = (): void => {
      if (waiting.delete(place.resolve)) place.reject(signal.reason)
    }
    waiting.add(place.resolve)
    signal.addEventListener('abort', giveUp, { once: true })
    await place.promise.finally(() => signal.removeEventListener('abort', giveUp))
  }

  const leave = (): void => {
    const [next] = waiting
    if (next === undefined) {
      free += 1
      return
    }
    waiting.delete(next)
    next()
  }

  return {
    async run(signal, work) {
      await turn(signal)
      try {
        return await work()
      } finally {
        leave()
      }
    },
  }
}
