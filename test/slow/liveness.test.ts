/** A worker that takes no tickets though it could ends itself; one that cannot, because of others, stays. */
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startFleet } from '../support/fleet.ts'
import { calls } from '../support/service.ts'

/** Longer than tickets may wait beside an idle worker. */
const LONG_MS = 20_000
const ONE = { ALEX_WORKER_CONCURRENCY: '1' }

test('a worker whose way of being woken is broken exits with 1, and the next one takes what waited', async () => {
  const fleet = await startFleet()
  fleet.model.on({ userMessage: /task/ }, { content: 'done' })
  await fleet.startApi()
  const worker = await fleet.startWorker({ ALEX_VERBOSE: 'true' })
  await fleet.ready()
  const before = await fleet.submit({ task: 'a task before' })
  await fleet.ended(before.task_id)
  // All works but the command in which BullMQ waits for tickets; it tries that for ever.
  await fleet.redis.client.call('ACL', 'SETUSER', 'default', '-bzpopmin')
  await worker.untilLogged('NOPERM')
  const { task_id } = await fleet.submit({ task: 'a task' })
  expect(await worker.ended).toBe(1)
  expect(worker.logged('tickets wait and this worker takes none')).toHaveLength(1)
  await fleet.redis.client.call('ACL', 'SETUSER', 'default', '+bzpopmin')
  await fleet.startWorker()
  expect(await fleet.ended(task_id)).toMatchObject({ status: 'completed', attempts: 1 })
})

test('a worker stays while its slots are taken, and while Redis refuses changes', async () => {
  const fleet = await startFleet()
  fleet.model.on(
    { userMessage: /long/, turnIndex: 0 },
    calls(['bash', { command: `sleep ${LONG_MS / 1000}` }]),
  )
  fleet.model.on({ userMessage: /long/, turnIndex: 1 }, { content: 'done' })
  fleet.model.on({ userMessage: /short/ }, { content: 'done' })
  await fleet.startApi()
  const worker = await fleet.startWorker(ONE)
  await fleet.ready()
  await fleet.submit({ task: 'long' })
  const waiting = await fleet.submit({ task: 'short' })
  expect(await fleet.ended(waiting.task_id)).toMatchObject({ status: 'completed', attempts: 1 })

  process.kill(worker.pid, 'SIGSTOP')
  const refused = await fleet.submit({ task: 'short' })
  await fleet.redis.client.call('CONFIG', 'SET', 'maxmemory', '1')
  process.kill(worker.pid, 'SIGCONT')
  await pause(LONG_MS)
  await fleet.redis.client.call('CONFIG', 'SET', 'maxmemory', '0')
  expect(await fleet.ended(refused.task_id)).toMatchObject({ status: 'completed', attempts: 1 })
  expect(worker.logged('tickets wait')).toEqual([])
  expect(await worker.end('SIGTERM')).toBe(0)
})
