/** What is done once a second is done in one turn of the event loop, whenever it began to wait. */
import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { tick, untilTick } from '../../src/tick.ts'

test.each([1, 3, 5])(
  'whenever one begins to wait for %i s, the wait ends when so many divide the age of the process',
  async (seconds) => {
    const period = seconds * 1000
    for (let i = 0; i < 200; i += 1) {
      const before = performance.now()
      const left = untilTick(seconds)
      const after = performance.now()
      const tickAt = Math.floor((after + left) / period + 1e-9) * period
      expect(tickAt).toBeGreaterThanOrEqual(before + left - 1e-6)
      await turn()
    }
  },
)

test('a timer that rings a little early does not make the wait begin again for the same tick', () => {
  const clock = vi.spyOn(performance, 'now').mockReturnValue(1999.5)
  onTestFinished(() => clock.mockRestore())
  expect(untilTick()).toBe(1000.5)
})

test('an abort ends the wait', async () => {
  const stopping = new AbortController()
  const waiting = tick(3600, stopping.signal)
  stopping.abort()
  await expect(waiting).resolves.toBeUndefined()
})
