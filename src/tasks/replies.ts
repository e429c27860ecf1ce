/** What several scripts answer alike, parsed. */

/** A wake-up for BullMQ: job id `<task_id>.<n>`. */
export interface Ticket {
  task_id: string
  n: number
  /** BullMQ's: 1 first. */
  priority: number
}

/** `lost`: another activation has it, or it has ended; `gone`: it was deleted. */
export type Refusal = { verdict: 'lost' | 'gone'; why: string }

export const refusalOf = (reply: readonly string[]): Refusal => ({
  verdict: reply[0] === 'gone' ? 'gone' : 'lost',
  why: reply[1] ?? '',
})

export const ticketsOf = (flat: readonly string[]): Ticket[] => {
  const tickets: Ticket[] = []
  for (let i = 0; i + 2 < flat.length; i += 3)
    tickets.push({ task_id: flat[i] ?? '', n: Number(flat[i + 1]), priority: Number(flat[i + 2]) })
  return tickets
}
