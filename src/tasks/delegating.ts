/** Tasks that other tasks are waited for with: a child each, made and begun by the scripts. Throws as the store does. */
import { z } from 'zod'
import type { LogEvent } from '../schemas/event.ts'
import { type Refusal, refusalOf, type Ticket, ticketsOf } from './replies.ts'
import type { RunScript } from './scripts.ts'
import type { Lease } from './store.ts'

export interface Delegation {
  start: Extract<LogEvent, { event_type: 'tool_call_start' }>
  /** How many children may run at a time. */
  limit: number
  /** Record fields of a child each, absent ones left out; parent, tool preset and deadline are the script's. */
  children: { task_id: string; fields: Record<string, string> }[]
}

/**
 * The same for the same call, so that nothing is made twice. `index` counts from 0. It begins with its parent's, so
 * that it stands behind it where both have the same time.
 */
export const childId = (taskId: string, callId: string, index: number): string =>
  `${taskId}-${callId.replaceAll('.', '-')}-${index + 1}`

const Reply = z.array(z.string())

export const createDelegating = (run: RunScript) => ({
  /**
   * Records the call's start, makes the children, and lets the task wait for them: from then on the lease is void.
   * `cancel`: one was asked for, nothing was changed.
   */
  async delegate(
    lease: Lease,
    expectedSeq: number,
    { start, limit, children }: Delegation,
  ): Promise<{ verdict: 'ok'; tickets: Ticket[] } | { verdict: 'cancel' } | Refusal> {
    const { event_type: _, ...data } = start
    const reply = Reply.parse(
      await run('delegate', [
        lease.task_id,
        lease.activation,
        expectedSeq,
        JSON.stringify(data),
        limit,
        ...children.flatMap(({ task_id, fields }) => [task_id, JSON.stringify(fields)]),
      ]),
    )
    if (reply[0] === 'ok') return { verdict: 'ok', tickets: ticketsOf(reply.slice(1)) }
    return reply[0] === 'cancel' ? { verdict: 'cancel' } : refusalOf(reply)
  },
})
