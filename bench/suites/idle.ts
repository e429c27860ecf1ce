import { readdir } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { startNaive } from '../naive.ts'
import { childrenOf, cpuMs, percentile, residentMb, total, wakeUps } from '../numbers.ts'
import { type Place, startPlace } from '../place.ts'
import type { Figure, Suite } from '../report.ts'
import { startService } from '../service.ts'

const MEASURED_MS = 30_000
/** V8 compiles what runs often and collects what the start, or tasks, left: once each, within some 10 s. */
const SETTLE_MS = 15_000
const TASKS = 500
const AT_ONCE = 16
const BAR_PERCENT = 2
const BAR_MB = 200

interface Part {
  name: string
  pid: number
}

/** A worker of ours has a guard beside it, which starts and ends what tools run. */
const partsOf = async (pids: { api: number; workers: number[] }, place: Place): Promise<Part[]> => {
  const guards = await Promise.all(pids.workers.map(childrenOf))
  return [
    { name: 'API', pid: pids.api },
    ...pids.workers.map((pid) => ({ name: 'worker', pid })),
    ...guards.flat().map((pid) => ({ name: 'guard', pid })),
    { name: 'Redis', pid: place.pids.redis },
  ]
}

/** Of each part: % of a core, and how often a second it is woken. */
const measure = async (parts: readonly Part[]): Promise<{ cpu: number[]; wakes: number[] }> => {
  const counts = () =>
    Promise.all(parts.map(async ({ pid }) => ({ ms: await cpuMs(pid), wakes: await wakeUps(pid) })))
  const began = performance.now()
  const before = await counts()
  await pause(MEASURED_MS)
  const after = await counts()
  const elapsedMs = performance.now() - began
  const more = (of: 'ms' | 'wakes') => after.map((count, i) => count[of] - (before[i]?.[of] ?? 0))
  return {
    cpu: more('ms').map((ms) => (ms / elapsedMs) * 100),
    wakes: more('wakes').map((count) => (count / elapsedMs) * 1000),
  }
}

/** The same work over and over, and then once a second: how much longer it takes. Median. */
const costOfWaking = async (): Promise<number> => {
  const text = JSON.stringify(Array.from({ length: 300 }, (_, id) => ({ id, name: 'some name', at: id })))
  const timed = () => {
    const began = performance.now()
    for (let i = 0; i < 4; i += 1) JSON.parse(text)
    return performance.now() - began
  }
  const hot = Array.from({ length: 500 }, timed)
  const woken: number[] = []
  for (let i = 0; i < 10; i += 1) {
    await pause(1000)
    woken.push(timed())
  }
  return percentile(woken, 0.5) / percentile(hot, 0.5)
}

export const idle: Suite = {
  name: 'idle',
  about: 'API, worker and Redis with nothing to do',
  async run(say): Promise<Figure[]> {
    await using place = await startPlace()
    await using alex = await startService(place, { workers: 1, slots: 10 })
    // On Redis servers of their own, at the same time: what a wake-up costs changes with the machine and with the minute.
    await using beside = await startPlace()
    await using naive = await startNaive(beside, { workers: 1, slots: 10 })
    await using apart = await startPlace()
    const asleep = () => apart.node('bench/yardsticks/asleep.ts').pid
    const ours = await partsOf(alex.pids, place)
    const theirs = await partsOf(naive.pids, beside)
    const nobodys = await partsOf({ api: asleep(), workers: [asleep()] }, apart)
    const look = async (when: string): Promise<Figure[]> => {
      const [waking] = await Promise.all([costOfWaking(), pause(SETTLE_MS)])
      const [{ cpu, wakes }, yardstick, floor] = await Promise.all([
        measure(ours),
        measure(theirs),
        measure(nobodys),
      ])
      const sizes = await Promise.all(ours.map(({ pid }) => residentMb(pid)))
      const each = (values: readonly number[], digits: number) =>
        ours.map(({ name }, i) => `${name} ${values[i]?.toFixed(digits)}`).join(', ')
      say(`${when}: ${each(cpu, 2)} % CPU; ${each(sizes, 0)} MB; woken ${each(wakes, 0)} times/s`)
      return [
        {
          what: `CPU ${when}`,
          value: total(cpu),
          unit: '% of a core',
          atMost: BAR_PERCENT,
          beside: `${each(cpu, 2)} %; naive ${total(yardstick.cpu).toFixed(2)} %`,
        },
        {
          what: `the same ÷ processes that only wake, ${when}`,
          value: total(cpu) / total(floor.cpu),
          unit: '×',
          beside: `two that do nothing once a second, and a Redis that nobody uses: ${total(floor.cpu).toFixed(2)} %`,
        },
        {
          what: `wake-ups ${when}`,
          value: total(wakes),
          unit: 'a second',
          beside: `${each(wakes, 0)}; naive ${total(yardstick.wakes).toFixed(0)}`,
        },
        {
          what: `work once a second ÷ over and over, ${when}`,
          value: waking,
          unit: '×',
          beside: 'of this process: what waking costs on this machine now',
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
