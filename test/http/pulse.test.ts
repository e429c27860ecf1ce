import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createPulse } from '../../src/http/pulse.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('each is called once a period from when it joined, and no longer than it takes part', () => {
  const pulse = createPulse<() => void>(6000, (beat) => beat())
  const [early, late] = [vi.fn<() => void>(), vi.fn<() => void>()]
  pulse.join(early)
  vi.advanceTimersByTime(2000)
  pulse.join(late)
  vi.advanceTimersByTime(3999)
  expect(early).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(early).toHaveBeenCalledTimes(1)
  expect(late).not.toHaveBeenCalled()
  vi.advanceTimersByTime(12_000)
  expect(early).toHaveBeenCalledTimes(3)
  expect(late).toHaveBeenCalledTimes(2)
  pulse.leave(early)
  vi.advanceTimersByTime(6000)
  expect(early).toHaveBeenCalledTimes(3)
  expect(late).toHaveBeenCalledTimes(3)
  pulse.leave(late)
})

test('there is no timer while nobody takes part', () => {
  const pulse = createPulse<() => void>(6000, (beat) => beat())
  expect(vi.getTimerCount()).toBe(0)
  const beat = () => {}
  pulse.join(beat)
  expect(vi.getTimerCount()).toBe(1)
  pulse.leave(beat)
  expect(vi.getTimerCount()).toBe(0)
  pulse.join(beat)
  expect(vi.getTimerCount()).toBe(1)
  pulse.leave(beat)
})
