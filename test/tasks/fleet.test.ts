/** What an API knows of the fleet: kept fresh for those who ask, and asked for anew after a pause. */
import { expect, onTestFinished, test } from 'vitest'
import { connectRedis } from '../../src/redis.ts'
import { createFleet } from '../../src/tasks/fleet.ts'
import { createStore, LEASE_MS } from '../../src/tasks/store.ts'
import { worker } from '../http/fleet-snapshots.ts'
import { eventually } from '../support/processes.ts'
import { startProxy } from '../support/proxy.ts'
import { openStore, quietLog } from '../support/redis.ts'

const RESTING_MS = 60_000

/** Everybody who asks is one who asks after a pause. */
const setup = async () => {
  const open = openStore()
  onTestFinished(() => open[Symbol.asyncDispose]())
  const proxy = await startProxy(open.url)
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  const redis = connectRedis(proxy.url, 'hasty', quietLog)
  onTestFinished(() => redis.disconnect())
  const store = createStore({ redis, prefix: open.prefix, leaseMs: LEASE_MS })
  const fleet = createFleet({ store, log: quietLog, askedMs: 0 })
  onTestFinished(() => fleet[Symbol.dispose]())
  await eventually(async () => (await fleet.snapshot()).redis.up)
  const beat = (id: string, quietMs?: number) =>
    open.store.beat({ id, info: JSON.stringify(worker({ worker_id: id })) }, [], 20, quietMs)
  const known = async () => (await fleet.snapshot()).workers.map(({ worker_id }) => worker_id).toSorted()
  return { ...open, fleet, proxy, beat, known }
}

test('who asks after a pause is told what is, not what was', async () => {
  const { beat, known } = await setup()
  expect(await known()).toEqual([])
  await beat('one')
  expect(await known()).toEqual(['one'])
  await beat('two')
  expect(await known()).toEqual(['one', 'two'])
})

test('who asks while Redis hangs is told what was known, and then that Redis is away', async () => {
  const { fleet, proxy, beat, known } = await setup()
  await beat('one')
  expect(await known()).toEqual(['one'])
  proxy.deaden()
  expect(await known()).toEqual(['one'])
  await eventually(async () => !(await fleet.snapshot()).redis.up)
})

test('who asks hears of the workers at rest that are there, and not of those that are gone', async () => {
  const { redis, store, beat, known } = await setup()
  const listener = redis.duplicate()
  onTestFinished(() => listener.disconnect())
  let asked = 0
  listener.on('message', () => {
    asked += 1
    void beat('here', RESTING_MS)
  })
  await listener.subscribe(store.key('control'))
  await beat('gone', RESTING_MS)
  await beat('here', RESTING_MS)
  await redis.zadd(store.key('workers'), Date.now() - 20_000, 'gone', Date.now() - 20_000, 'here')
  expect(await known()).toEqual(['gone', 'here'])
  expect(asked).toBe(1)
  await eventually(async () => (await known()).length === 1)
  expect(await known()).toEqual(['here'])
})
