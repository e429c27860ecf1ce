import type { Throttle } from '../src/agent/agent.ts'

/** Slows this worker for a model, and through `announce` every other one. */
export const createThrottle = (
  announce: (model: string, ms: number) => void,
): Throttle & { heard: (model: string, ms: number) => void } => {
  const until = new Map<string, number>()
  const heard = (model: string, ms: number) => {
    until.set(model, Math.max(until.get(model) ?? 0, performance.now() + ms))
  }
  return {
    waitMs: (model) => Math.max(0, (until.get(model) ?? 0) - performance.now()),
    report(model, ms) {
      heard(model, ms)
      announce(model, ms)
    },
    heard,
  }
}
