/** The one place that adds to BullMQ. A job is a wake-up for a ticket; all truth is in the task's record. */
import { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Ticket } from './replies.ts'
import { QUEUE_NAME } from './store.ts'

export interface TicketJob {
  task_id: string
  ticket: number
}

export interface TicketQueue {
  /** Adding a ticket twice is harmless. Never throws: a ticket that could not be added is found by `beat`. */
  add(tickets: readonly Ticket[]): Promise<void>
  /** Tickets that nobody has taken; none while somebody has paused the queue. */
  waiting(): Promise<number>
  [Symbol.asyncDispose](): Promise<void>
}

export const createTicketQueue = (options: { redis: Redis; prefix: string; log: Log }): TicketQueue => {
  const { redis, prefix, log } = options
  const queue = new Queue<TicketJob>(QUEUE_NAME, { connection: redis, prefix })
  queue.on('error', (error) => log.debug({ err: error.message }, '[ServerCoordinator] queue connection'))
  const jobOf = (ticket: Ticket) => ({
    name: 'ticket',
    data: { task_id: ticket.task_id, ticket: ticket.n },
    opts: {
      jobId: `${ticket.task_id}.${ticket.n}`,
      priority: ticket.priority,
      attempts: 1,
      removeOnComplete: true,
      removeOnFail: true,
    },
  })
  return {
    async add(tickets) {
      if (tickets.length === 0) return
      try {
        const [first, ...more] = tickets.map(jobOf)
        // Most often there is one, which costs a third of a transaction of one.
        if (first && more.length === 0) await queue.add(first.name, first.data, first.opts)
        else await queue.addBulk(tickets.map(jobOf))
      } catch (error) {
        log.warn(
          { err: messageOf(error), tasks: tickets.map((ticket) => ticket.task_id) },
          '[ServerCoordinator] tickets not added; the next heartbeats find them',
        )
      }
    },
    async waiting() {
      return (await queue.isPaused()) ? 0 : queue.getJobCountByTypes('waiting', 'prioritized')
    },
    [Symbol.asyncDispose]: () => queue.close(),
  }
}
