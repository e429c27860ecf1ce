/** One timer for all that has to be done once a period, however many take part; none while nobody does. */

/** Into so many parts a period is cut: whoever joined in the same part is served in the same turn of the loop. */
const PARTS = 60

/** `beat` must not throw. */
export const createPulse = <Member>(periodMs: number, beat: (member: Member) => void) => {
  // In the order in which they are due, since all have the same period.
  const due = new Map<Member, number>()
  let part = 0
  let timer: NodeJS.Timeout | undefined

  const tick = () => {
    part += 1
    for (const [member, at] of due) {
      if (at > part) break
      due.delete(member)
      due.set(member, part + PARTS)
      beat(member)
    }
  }
  return {
    join(member: Member): void {
      due.set(member, part + PARTS)
      timer ??= setInterval(tick, periodMs / PARTS)
    },
    leave(member: Member): void {
      due.delete(member)
      if (due.size > 0) return
      clearInterval(timer)
      timer = undefined
    },
  }
}
