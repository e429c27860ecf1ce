import { setTimeout as pause } from 'node:timers/promises'
import { Queue } from 'bullmq'
import { secondsFor } from '../load.ts'
import { startNaive } from '../naive.ts'
import { cpuMs, percentile, total } from '../numbers.ts'
import { type Place, startPlace } from '../place.ts'
import type { Figure, Suite } from '../report.ts'
import { startService } from '../service.ts'

const WORKERS = 2
const SLOTS = 16
const TASKS = 1200
const WARM_UP = 1500
const ROUNDS = 5
const POSTS_AT_ONCE = 32

const bareRate = async (place: Place): Promise<number> => {
  const env = { REDIS_URL: place.socket, CONCURRENCY: String(SLOTS) }
  const workers = Array.from({ length: WORKERS }, () => place.node('bench/yardsticks/bare-bullmq.ts', env))
  await Promise.all(workers.map((worker) => worker.line()))
  const queue = new Queue('bare', { connection: place.redis })
  const began = performance.now()
  let left = 10_000
  const add = async () => {
    while (left > 0) {
      left -= 1
      await queue.add('task', { task: 'say that it works' })
    }
  }
  await Promise.all(Array.from({ length: POSTS_AT_ONCE }, add))
  while ((await queue.getCompletedCount()) < 10_000) await pause(20)
  const seconds = (performance.now() - began) / 1000
  await Promise.all(workers.map((worker) => worker.stop()))
  return 10_000 / seconds
}

export const throughput: Suite = {
  name: 'throughput',
  about: 'one-iteration tasks, POST → done, a model server of zero latency',
  async run(say): Promise<Figure[]> {
    await using place = await startPlace()
    const bare = await bareRate(place)
    const rates: { naive: number[]; alex: number[] } = { naive: [], alex: [] }
    await using naive = await startNaive(place, { workers: WORKERS, slots: SLOTS })
    await using alex = await startService(place, { workers: WORKERS, slots: SLOTS })
    await secondsFor(naive, WARM_UP)
    await secondsFor(alex, WARM_UP)
    const costs = { naive: costOf(place, naive), alex: costOf(place, alex) }
    for (let round = 0; round < ROUNDS; round += 1) {
      rates.naive.push(TASKS / (await costs.naive.of(() => secondsFor(naive, TASKS))))
      rates.alex.push(TASKS / (await costs.alex.of(() => secondsFor(alex, TASKS))))
      // Mirrors of what has ended are still being written; the next round is not to pay for them.
      await pause(3000)
      say(`naive ${rates.naive.at(-1)?.toFixed(0)}/s, ALEX ${rates.alex.at(-1)?.toFixed(0)}/s`)
    }
    const ours = percentile(rates.alex, 0.5)
    const theirs = percentile(rates.naive, 0.5)
    return [
      {
        what: 'throughput ÷ naive',
        // Of rounds that were run side by side: what disturbs one disturbs the other.
        value: percentile(
          rates.alex.map((rate, i) => rate / (rates.naive[i] ?? Number.NaN)),
          0.5,
        ),
        unit: '×',
        atLeast: 0.5,
        beside: `${ours.toFixed(0)} ÷ ${theirs.toFixed(0)} tasks/s`,
      },
      {
        what: 'throughput ÷ bare BullMQ',
        value: ours / bare,
        unit: '×',
        beside: `${bare.toFixed(0)} jobs/s`,
      },
      { what: 'CPU of a task', value: costs.alex.ms(), unit: 'ms', beside: costs.alex.parts() },
      { what: 'CPU of a naive one', value: costs.naive.ms(), unit: 'ms', beside: costs.naive.parts() },
    ]
  },
}

/** CPU of a side's processes and of Redis while something is done. */
const costOf = (place: Place, side: { pids: { api: number; workers: readonly number[] } }) => {
  const pids = [side.pids.api, place.pids.redis, ...side.pids.workers]
  const used = pids.map(() => 0)
  const perTask = () => {
    const [api = 0, redis = 0, ...workers] = used.map((ms) => ms / (ROUNDS * TASKS))
    return { api, redis, workers: total(workers) }
  }
  return {
    async of<T>(work: () => Promise<T>): Promise<T> {
      const before = await Promise.all(pids.map(cpuMs))
      const result = await work()
      const after = await Promise.all(pids.map(cpuMs))
      after.forEach((ms, i) => {
        used[i] = (used[i] ?? 0) + ms - (before[i] ?? 0)
      })
      return result
    },
    ms: () => total(Object.values(perTask())),
    parts: () =>
      Object.entries(perTask())
        .map(([name, ms]) => `${name} ${ms.toFixed(2)}`)
        .join(', '),
  }
}
