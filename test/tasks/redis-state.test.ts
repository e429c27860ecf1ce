import { expect, onTestFinished, test } from 'vitest'
import { judge } from '../../src/http/health.ts'
import { connectRedis } from '../../src/redis.ts'
import { createFleet } from '../../src/tasks/fleet.ts'
import { createStore, LEASE_MS } from '../../src/tasks/store.ts'
import { recordedLog } from '../http/support.ts'
import { eventually } from '../support/processes.ts'
import { quietLog } from '../support/redis.ts'
import { startRedisServer } from '../support/redis-server.ts'

test('a Redis without append-only file, or with an evicting policy, is named in the log at start and in health', async () => {
  const server = await startRedisServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  await server.client.config('SET', 'appendonly', 'no')
  await server.client.config('SET', 'maxmemory-policy', 'allkeys-lru')
  const redis = connectRedis(server.url, 'hasty', quietLog)
  onTestFinished(() => redis.disconnect())
  const log = recordedLog()
  const store = createStore({ redis, prefix: '{alex}', leaseMs: LEASE_MS })
  const fleet = createFleet({ store, log })
  onTestFinished(() => fleet[Symbol.dispose]())
  const state = async () => judge(await fleet.snapshot()).components.find(({ name }) => name === 'redis')

  await eventually(async () => (await fleet.snapshot()).redis.up)
  expect(log.lines.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
    expect.stringMatching(/^\[HealthChecker\] .*maxmemory-policy is allkeys-lru.*append-only/),
  ])
  expect(await state()).toMatchObject({ status: 'ready', details: { persists: false } })
  expect((await state())?.message).toMatch(/allkeys-lru.*append-only/)

  await server.client.config('SET', 'maxmemory', '100mb')
  await eventually(async () => (await state())?.status === 'not_ready')
  expect((await state())?.message).toContain('Redis may evict tasks')
  expect((await fleet.snapshot()).redis).toMatchObject({
    evicts: true,
    memory_limit_bytes: 100 * 1024 * 1024,
  })

  await server.client.config('SET', 'maxmemory-policy', 'noeviction')
  await server.client.config('SET', 'appendonly', 'yes')
  await eventually(async () => (await state())?.message === 'Redis answers')
  expect(await state()).toMatchObject({ status: 'ready', details: { persists: true } })
})
