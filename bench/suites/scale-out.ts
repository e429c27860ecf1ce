import { setTimeout as pause } from 'node:timers/promises'
import type { Client } from '../client.ts'
import { type Place, startPlace } from '../place.ts'
import type { Figure, Suite } from '../report.ts'
import { startService } from '../service.ts'

const WORKERS = [1, 2, 4]
/** Few enough that four workers full of tasks leave the processors idle. */
const SLOTS = 4
const MODEL = 'slow-200'
const MODEL_MS = 200
const SECONDS = 10
const WARM_UP_S = 2
const BAR = 0.9

/** Keeps the queue filled until `until` says so. */
const keepFull = async (client: Client, depth: number, done: AbortSignal) => {
  while (!done.aborted) {
    const { pending } = await client.get<{ pending: number }>('/api/tasks/stats')
    const missing = Math.max(0, depth - pending)
    await Promise.all(Array.from({ length: missing }, () => client.submit({ model: MODEL })))
    await pause(100)
  }
}

const rateOf = async (place: Place, workers: number): Promise<number> => {
  await using service = await startService(place, { workers, slots: SLOTS })
  const done = new AbortController()
  const filling = keepFull(service.client, workers * SLOTS * 2, done.signal)
  await pause(WARM_UP_S * 1000)
  const began = performance.now()
  const before = await service.completed()
  // All slots end together, so that a second has four ends of each or five: it takes many to tell the rate.
  await pause(SECONDS * 1000)
  const rate = ((await service.completed()) - before) / ((performance.now() - began) / 1000)
  done.abort()
  await filling
  return rate
}

export const scaleOut: Suite = {
  name: 'scale-out',
  about: `workers of ${SLOTS} slots, a model that takes ${MODEL_MS} ms`,
  async run(say): Promise<Figure[]> {
    await using place = await startPlace()
    const rates: number[] = []
    for (const workers of WORKERS) {
      const rate = await rateOf(place, workers)
      say(`${workers} workers: ${rate.toFixed(1)} tasks/s`)
      rates.push(rate)
    }
    const [one = Number.NaN, ...more] = rates
    const most = (SLOTS * 1000) / MODEL_MS
    return [
      { what: 'rate of 1 worker', value: one, unit: 'tasks/s', beside: `its slots allow ${most} a second` },
      ...more.map((rate, i) => ({
        what: `rate of ${WORKERS[i + 1]} workers ÷ linear`,
        value: rate / (one * (WORKERS[i + 1] ?? 1)),
        unit: '×',
        atLeast: BAR,
        beside: `${rate.toFixed(1)} tasks/s`,
      })),
    ]
  },
}
