/**
 * What takes long: `npm run bench:soak -- [--tasks N] [--retention-s S] [--stored N] [--json FILE]`.
 *
 * Runs many tasks and looks whether memory stays flat: sessions of 20 tasks; rested ones leave Redis after the
 * retention, so that Redis holds the tasks of about one retention, however many have run, and of each session that has
 * left by which it is found again. A quarter of the run should last longer than the retention. Then stores many finished
 * tasks and looks whether lists, stats and submitting stay as fast. Either is left out with 0. Exits with 1 when a bar is
 * not met.
 */
import { writeFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { measureFlatness } from './flatness.ts'
import { residentMb, total } from './numbers.ts'
import { startPlace } from './place.ts'
import { type Figure, isMet, table } from './report.ts'
import { startService } from './service.ts'

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '100000' },
    'retention-s': { type: 'string', default: '40' },
    stored: { type: 'string', default: '1000000' },
    json: { type: 'string' },
  },
})
const OF_A_SESSION = 20
const SESSIONS_AT_ONCE = 32
const SAMPLES = 20
const MB = 1024 * 1024
const BAR = 1.1

const print = (text: string) => process.stdout.write(`${text}\n`)

interface Sample {
  done: number
  seconds: number
  api_mb: number
  worker_mb: number
  redis_mb: number
  keys: number
}

const soak = async (tasks: number, retentionS: number): Promise<Sample[]> => {
  await using place = await startPlace()
  const { redis } = place
  await using service = await startService(place, {
    workers: 2,
    slots: 20,
    env: { ALEX_RETENTION_DAYS: String(retentionS / 86_400) },
  })
  const { client, pids } = service

  const ended = async (id: string): Promise<void> => {
    for (;;) {
      const task = await client.get<{ status: string; completed_at?: string }>(`/api/tasks/${id}?wait_s=30`)
      if (task.completed_at === undefined) continue
      if (task.status !== 'completed') throw new Error(JSON.stringify(task))
      return
    }
  }

  let submitted = 0
  const began = performance.now()
  const runSessions = async () => {
    while (submitted < tasks) {
      const session_id = `soak-${submitted}`
      let last = ''
      for (let i = 0; i < OF_A_SESSION && submitted < tasks; i++) {
        submitted += 1
        last = (await client.submit({ session_id })).task_id
      }
      await ended(last)
    }
  }

  const numberIn = (text: string, name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1])
  const samples: Sample[] = []
  const sample = async (done: number) => {
    const workers = await Promise.all(pids.workers.map(residentMb))
    const tenths = (mb: number) => Math.round(mb * 10) / 10
    const told = {
      done,
      seconds: Math.round((performance.now() - began) / 1000),
      api_mb: tenths(await residentMb(pids.api)),
      worker_mb: tenths(Math.max(...workers)),
      redis_mb: tenths(numberIn(await redis.info('memory'), 'used_memory') / MB),
      keys: await redis.dbsize(),
    }
    print(JSON.stringify(told))
    samples.push(told)
  }

  await sample(0)
  const running = Promise.all(Array.from({ length: SESSIONS_AT_ONCE }, runSessions))
  const sampling = (async () => {
    for (let n = 1; n < SAMPLES; n++) {
      while (submitted < (tasks / SAMPLES) * n) await pause(100)
      await sample(submitted)
    }
  })()
  await Promise.all([running, sampling])
  await sample(tasks)
  return samples
}

/** The last quarter of the run beside the second: by then everything has been used. */
const memoryFigures = (samples: readonly Sample[]): Figure[] => {
  const quarter = Math.floor(samples.length / 4)
  const parts = { API: 'api_mb', worker: 'worker_mb', Redis: 'redis_mb' } as const
  return Object.entries(parts).map(([name, field]) => {
    const mean = (of: keyof Sample, some: readonly Sample[]) =>
      total(some.map((each) => each[of])) / some.length
    const [before, after] = [samples.slice(quarter, 2 * quarter), samples.slice(-quarter)]
    const [second, last] = [mean(field, before), mean(field, after)]
    const grown = ((last - second) * MB) / (mean('done', after) - mean('done', before))
    return {
      what: `memory of ${name} over ${samples.at(-1)?.done} tasks, last quarter ÷ second`,
      value: last / second,
      unit: '×',
      atMost: BAR,
      beside: `${last.toFixed(0)} ÷ ${second.toFixed(0)} MB, ${grown.toFixed(0)} B a task`,
    }
  })
}

const tasks = Number(values.tasks)
const stored = Number(values.stored)
const samples = tasks > 0 ? await soak(tasks, Number(values['retention-s'])) : []
const figures = samples.length > 0 ? memoryFigures(samples) : []
if (stored > 0) {
  await using place = await startPlace()
  figures.push(...(await measureFlatness(place, stored, print)))
}
print(table(figures))
if (values.json !== undefined)
  await writeFile(values.json, `${JSON.stringify({ samples, figures }, null, 2)}\n`)
if (!figures.every(isMet)) process.exitCode = 1
