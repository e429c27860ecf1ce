/** Tickets as a worker takes them: kept while their task runs, and nobody's for long when their worker is gone. */
import { Worker } from 'bullmq'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { TicketJob } from '../../src/tasks/queue.ts'
import { QUEUE_NAME } from '../../src/tasks/store.ts'
import { takeTickets } from '../../workers/take-tickets.ts'
import { openStore, quietLog } from '../support/redis.ts'

const PATIENCE = { timeout: 15_000, interval: 50 }
const TICKET = { task_id: 'the-task', n: 1, priority: 1 }

const setup = () => {
  const open = openStore()
  onTestFinished(() => open[Symbol.asyncDispose]())
  const { redis, prefix, queue } = open
  const begun: TicketJob[] = []
  const ended = Promise.withResolvers<void>()
  return {
    redis,
    queue,
    begun,
    lock: open.store.key(QUEUE_NAME, 'the-task.1', 'lock'),
    end: ended.resolve,
    /** Tasks run until `end` is called. */
    take: () => {
      const runTask = (job: TicketJob) => {
        begun.push(job)
        return ended.promise
      }
      const tickets = takeTickets({
        redis,
        prefix,
        runTask,
        concurrency: 1,
        rhythm: { everyS: 1 },
        log: quietLog,
      })
      onTestFinished(async () => {
        ended.resolve()
        await tickets.close()
      })
      return tickets
    },
    /** A worker that takes the ticket and is never heard of again. */
    takeAndDie: async () => {
      const dead = new Worker(QUEUE_NAME, null, {
        connection: redis,
        prefix,
        lockDuration: 100,
        skipLockRenewal: true,
        skipStalledCheck: true,
      })
      onTestFinished(() => dead.close(true))
      return dead.getNextJob('a token', { block: false })
    },
  }
}

test('a ticket whose worker is gone before its task began is given to another', async () => {
  const { queue, begun, take, takeAndDie } = setup()
  await queue.add([TICKET])
  expect(await takeAndDie()).toMatchObject({ data: { task_id: 'the-task', ticket: 1 } })
  const tickets = take()
  await vi.waitUntil(() => {
    tickets.giveBackLost()
    return begun.length > 0
  }, PATIENCE)
  expect(begun).toEqual([{ task_id: 'the-task', ticket: 1 }])
})

test('a ticket is kept for as long as its task runs, and no one else gets it', async () => {
  const { redis, queue, begun, lock, take, end } = setup()
  const tickets = take()
  await queue.add([TICKET])
  await vi.waitUntil(() => begun.length > 0, PATIENCE)
  // It only ever grows when it is renewed.
  let renewed = 0
  let last = Number.POSITIVE_INFINITY
  await vi.waitUntil(async () => {
    tickets.giveBackLost()
    const left = await redis.pttl(lock)
    expect(left).toBeGreaterThan(0)
    if (left > last) renewed += 1
    last = left
    return renewed === 2
  }, PATIENCE)
  expect(begun).toHaveLength(1)
  end()
  await vi.waitUntil(async () => (await redis.exists(lock)) === 0, PATIENCE)
})
