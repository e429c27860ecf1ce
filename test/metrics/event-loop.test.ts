/** How late an event loop turns is told of the time since it was asked last. */
import { Registry } from 'prom-client'
import { expect, test, vi } from 'vitest'
import { createEventLoopLag } from '../../src/metrics/event-loop.ts'

const open = () => {
  const registry = new Registry()
  const lag = createEventLoopLag(registry, { everyS: 1 })
  const read = async (what: string) => {
    const text = await registry.getSingleMetricAsString(`alex_nodejs_eventloop_lag_${what}_seconds`)
    return Number(/^\S+ (.+)$/m.exec(text.replaceAll(/^#.*\n/gm, ''))?.[1])
  }
  return { ...lag, registry, read }
}

const hold = (ms: number) => {
  const until = performance.now() + ms
  while (performance.now() < until);
}

test('a loop that is held is late by as much', async () => {
  const lag = open()
  // Held over and over, it is looked at often.
  await vi.waitUntil(
    async () => {
      hold(20)
      return (await lag.read('max')) > 0
    },
    { interval: 5, timeout: 10_000 },
  )
  hold(300)
  await expect.poll(() => lag.read('max'), { interval: 5, timeout: 10_000 }).toBeGreaterThan(0.2)
})

test('a loop that was not looked at since says 0', async () => {
  const lag = open()
  await vi.waitUntil(async () => (await lag.read('max')) > 0, { interval: 5, timeout: 10_000 })
  lag.reset()
  // Without a turn of the loop in between, in which it might be looked at.
  const metrics = await lag.registry.getMetricsAsJSON()
  expect(metrics).toHaveLength(6)
  expect(metrics.flatMap(({ values }) => values.map(({ value }) => value))).toEqual([0, 0, 0, 0, 0, 0])
})
