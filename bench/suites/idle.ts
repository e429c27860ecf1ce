import { readdir } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { cpuMs, residentMb, total } from '../numbers.ts'
import { startPlace } from '../place.ts'
import type { Figure, Suite } from '../report.ts'
import { startService } from '../service.ts'

const MEASURED_MS = 30_000
/** V8 compiles what runs often and collects what the start, or tasks, left: once each, within some 10 s. */
const SETTLE_MS = 15_000
const TASKS = 500
const AT_ONCE = 16
const BAR_PERCENT = 2
const BAR_MB = 200

export const idle: Suite = {
  name: 'idle',
  about: 'API, worker and Redis with nothing to do',
  async run(say): Promise<Figure[]> {
    await using place = await startPlace()
    await using alex = await startService(place, { workers: 1, slots: 10 })
    const parts = [
      { name: 'API', pid: alex.pids.api },
      ...alex.pids.workers.map((pid) => ({ name: 'worker', pid })),
      { name: 'Redis', pid: place.pids.redis },
    ]
    const look = async (when: string): Promise<Figure[]> => {
      await pause(SETTLE_MS)
      const began = performance.now()
      const before = await Promise.all(parts.map(({ pid }) => cpuMs(pid)))
      await pause(MEASURED_MS)
      const after = await Promise.all(parts.map(({ pid }) => cpuMs(pid)))
      const elapsedMs = performance.now() - began
      const shares = after.map((ms, i) => ((ms - (before[i] ?? 0)) / elapsedMs) * 100)
      const sizes = await Promise.all(parts.map(({ pid }) => residentMb(pid)))
      const each = (values: readonly number[], digits: number) =>
        parts.map(({ name }, i) => `${name} ${values[i]?.toFixed(digits)}`).join(', ')
      say(`${when}: ${each(shares, 2)} % CPU; ${each(sizes, 0)} MB`)
      return [
        {
          what: `CPU ${when}`,
          value: total(shares),
          unit: '% of a core',
          atMost: BAR_PERCENT,
          beside: `${each(shares, 2)} %`,
        },
        {
          what: `memory of the largest process ${when}`,
          value: Math.max(...sizes),
          unit: 'MB',
          atMost: BAR_MB,
          beside: `${each(sizes, 0)} MB`,
        },
      ]
    }
    const fresh = await look('after the start')
    let left = TASKS
    const submit = async () => {
      while (left > 0) {
        left -= 1
        await alex.client.submit()
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, submit))
    while ((await alex.completed()) < TASKS) await pause(50)
    await place.until('mirror of each session', async () => {
      const files = await readdir(alex.settings.ALEX_SESSION_DIR)
      return files.filter((file) => file.endsWith('.json')).length === TASKS ? true : undefined
    })
    return [...fresh, ...(await look(`after ${TASKS} tasks`))]
  },
}
