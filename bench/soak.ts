/**
 * Runs many tasks and looks whether memory stays flat: `npm run bench:soak -- [--tasks N] [--retention-s S]
 * [--json FILE]`. Sessions of 20 tasks; rested ones leave Redis after the retention, so that Redis holds the tasks of
 * about one retention, however many have run.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { residentMb } from './numbers.ts'
import { startPlace } from './place.ts'
import { startService } from './service.ts'

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '100000' },
    'retention-s': { type: 'string', default: '60' },
    json: { type: 'string' },
  },
})
const tasks = Number(values.tasks)
const OF_A_SESSION = 20
const SESSIONS_AT_ONCE = 32
const SAMPLES = 20
const MB = 1024 * 1024

await using place = await startPlace()
const { redis } = place
await using service = await startService(place, {
  workers: 2,
  slots: 20,
  env: { ALEX_RETENTION_DAYS: String(Number(values['retention-s']) / 86_400) },
})
const { client, pids } = service

const ended = async (id: string): Promise<void> => {
  for (;;) {
    const task = await client.get<{ status: string; completed_at?: string }>(`/api/tasks/${id}?wait_s=30`)
    if (task.completed_at !== undefined && task.status !== 'completed') throw new Error(JSON.stringify(task))
    if (task.completed_at !== undefined) return
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
  process.stdout.write(`${JSON.stringify(told)}\n`)
  return told
}

const samples = [await sample(0)]
const running = Promise.all(Array.from({ length: SESSIONS_AT_ONCE }, runSessions))
const sampling = (async () => {
  for (let n = 1; n < SAMPLES; n++) {
    const until = (tasks / SAMPLES) * n
    while (submitted < until) await new Promise((resolve) => setTimeout(resolve, 100))
    samples.push(await sample(submitted))
  }
})()
await Promise.all([running, sampling])
samples.push(await sample(tasks))
if (values.json !== undefined) await writeFile(values.json, JSON.stringify(samples, null, 2))
