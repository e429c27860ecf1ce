import { setTimeout as pause } from 'node:timers/promises'
import { capacityOf, submitAt, type Target } from '../load.ts'
import { startNaive } from '../naive.ts'
import { percentile } from '../numbers.ts'
import { startPlace } from '../place.ts'
import type { Figure, Suite } from '../report.ts'
import { startService } from '../service.ts'

const SIZE = { workers: 2, slots: 16 }
const WARM_UP = 1000
const IDLE_A_SECOND = 20
const IDLE_S = 15
const LOADED_S = 6
const LOAD = 0.8

export const submit: Suite = {
  name: 'submit',
  about: 'POST → 201, alone and while tasks come at 80 % of what each side can do',
  async run(say): Promise<Figure[]> {
    await using place = await startPlace()
    await using naive = await startNaive(place, SIZE)
    await using alex = await startService(place, SIZE)
    const measure = async (name: string, target: Target) => {
      await capacityOf(target, WARM_UP)
      const rate = await capacityOf(target, WARM_UP)
      await pause(3000)
      const idle = await submitAt(target.client, IDLE_A_SECOND, IDLE_S)
      const loaded = await submitAt(target.client, LOAD * rate, LOADED_S)
      await pause(3000)
      const of = (values: readonly number[]) => ({
        p50: percentile(values, 0.5),
        p99: percentile(values, 0.99),
      })
      say(`${name}: ${rate.toFixed(0)} tasks/s`)
      return { idle: of(idle), loaded: of(loaded) }
    }
    const theirs = await measure('naive', naive)
    const ours = await measure('ALEX', alex)
    const figures = (
      when: string,
      a: { p50: number; p99: number },
      b: { p50: number; p99: number },
    ): Figure => ({
      what: `submit p99 ÷ naive, ${when}`,
      value: a.p99 / b.p99,
      unit: '×',
      atMost: 3,
      beside: `p50 ${a.p50.toFixed(1)}, p99 ${a.p99.toFixed(1)} ms; naive ${b.p50.toFixed(1)}, ${b.p99.toFixed(1)} ms`,
    })
    return [figures('idle', ours.idle, theirs.idle), figures('80 % load', ours.loaded, theirs.loaded)]
  },
}
