/** Connections that let nothing through any more and do not break: neither side is ever told. */
import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { type ConnectionKind, connectRedis } from '../../src/redis.ts'
import { startProxy } from '../support/proxy.ts'
import { openStore, quietLog } from '../support/redis.ts'

const connected = async (kind: ConnectionKind) => {
  const open = openStore()
  onTestFinished(() => open[Symbol.asyncDispose]())
  const proxy = await startProxy(open.url)
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  const redis = connectRedis(proxy.url, kind, quietLog)
  onTestFinished(() => redis.disconnect())
  if (redis.status !== 'ready') await new Promise<void>((resolve) => void redis.once('ready', resolve))
  return { open, proxy, redis }
}

test("a worker's command in flight on a half-open connection is answered over a new one", async () => {
  const { open, proxy, redis } = await connected('patient')
  proxy.deaden()
  await redis.set(open.store.key('probe'), 'arrived')
  expect(await open.redis.get(open.store.key('probe'))).toBe('arrived')
})

test("the API's half-open connection is replaced, after its command was answered with an error", async () => {
  const { open, proxy, redis } = await connected('hasty')
  const again = new Promise<void>((resolve) => void redis.once('ready', resolve))
  proxy.deaden()
  await expect(redis.set(open.store.key('probe'), 'x')).rejects.toThrow(/timed out|closed/i)
  await again
  expect(await redis.set(open.store.key('probe'), 'arrived')).toBe('OK')
})

test('a subscriber that only listens notices that its connection is half open', async () => {
  const { open, proxy, redis } = await connected('subscriber')
  const again = new Promise<void>((resolve) => void redis.once('ready', resolve))
  proxy.deaden()
  await again
  const channel = randomUUID()
  await redis.subscribe(channel)
  const heard = new Promise<string>((resolve) => void redis.once('message', (_, text) => resolve(text)))
  await open.redis.publish(channel, 'hello')
  expect(await heard).toBe('hello')
})
