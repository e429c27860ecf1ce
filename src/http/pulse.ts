/** One timer for all that has to be done once a period, however many take part; none while nobody does. */

/** Into so many parts a period is cut: whoever joined in the same part is served in the same turn of the loop. */
const PARTS = 60

export const createPulse = (periodMs: number) => {
  // In the order in which they are due, since all have the same period.
  const due = new Map<() => void, number>()
  let part = 0
  let timer: NodeJS.Timeout | undefined

  const tick = () => {
    part += 1
    for (const [beat, at] of due) {
      if (at > part) break
      due.delete(beat)
      due.set(beat, part + PARTS)
      beat()
    }
  }
  return {
    /** `beat` is called every period from now on; it must not throw. */
    join(beat: () => void): void {
      due.set(beat, part + PARTS)
      timer ??= setInterval(tick, periodMs / PARTS)
    },
    leave(beat: () => void): void {
      due.delete(beat)
      if (due.size > 0) return
      clearInterval(timer)
      timer = undefined
    },
  }
}
