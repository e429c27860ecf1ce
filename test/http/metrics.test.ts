/** What Prometheus sees of a fleet: several APIs and workers over one Redis. */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import type { WorkerInfo } from '../../src/schemas/health.ts'
import { startApi } from '../support/api.ts'
import { eventually } from '../support/processes.ts'
import { startService } from '../support/service.ts'

/** Sums the samples whose name and labels hold all these texts. */
const read = (text: string) => {
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return (...holding: string[]) =>
    samples
      .filter((line) => holding.every((part) => line.includes(part)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

const totalsIn = (text: string) => {
  const of = read(text)
  return {
    created: of('alex_tasks_created_total{', 'kind="task"'),
    finished: of('alex_tasks_finished_total{', 'kind="task"'),
    unfinished: of('alex_tasks{', 'pending') + of('alex_tasks{', 'running') + of('alex_tasks{', 'waiting'),
  }
}
const queueIn = (text: string) => text.match(/^alex_(tasks|queue_depth)\{.*$/gm)

const MINUTE = 60_000

test('two APIs and three workers tell of one queue, and of every task submitted, killed workers or not', async () => {
  const service = await startService()
  await using other = await startApi({ prefix: service.prefix })
  const { model, submit, json } = service
  model.onMessage(/slow/, { content: 'slow' }, { latency: MINUTE })
  model.onMessage(/.*/, { content: 'quick' })
  const workers = await Promise.all([1, 2, 3].map(() => service.startWorker()))
  const scrape = () =>
    Promise.all([service, other].map(async (api) => (await api.request('/metrics')).text()))
  /** What both APIs tell, once both have seen so many ends: they look every second. */
  const scrapedAfter = async (ends: number) => {
    await eventually(async () => (await scrape()).every((text) => totalsIn(text).finished === ends))
    return scrape()
  }

  const held = await submit({ task: 'slow', session_id: 'line' })
  const behind = await submit({ task: 'slow too', session_id: 'line' })
  await submit({ task: 'later', run_at: new Date(Date.now() + 60 * MINUTE).toISOString() })
  const quick = await Promise.all(
    Array.from({ length: 9 }, async (_, i) => {
      const body = JSON.stringify({ task: `quick ${i}` })
      const headers = { 'Content-Type': 'application/json' }
      const api = i % 2 === 0 ? service : other
      const answer = await api.request('/api/tasks', { method: 'POST', body, headers })
      return ((await answer.json()) as { task_id: string }).task_id
    }),
  )
  await Promise.all(quick.map((id) => service.ended(id)))
  // Nobody works on it: the API's own script ends it.
  await service.post(`/api/tasks/${behind.task_id}/cancel`)

  const [one = '', two = ''] = await scrapedAfter(10)
  expect(queueIn(one)).toEqual(queueIn(two))
  for (const text of [one, two]) expect(totalsIn(text)).toEqual({ created: 12, finished: 10, unfinished: 2 })
  expect(read(one)('alex_queue_depth{state="held"}')).toBe(1)
  // As old as the heartbeats.
  await eventually(async () => read((await scrape())[0] ?? '')('alex_fleet_slots{state="used"}') === 1)

  const alive = await json<WorkerInfo[]>('/api/workers')
  const ofWorkers = await Promise.all(
    alive.map(async ({ port }) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()),
  )
  expect(read(ofWorkers.join('\n'))('alex_model_calls_total{', 'outcome="answered"')).toBe(9)
  expect(read(ofWorkers.join('\n'))('alex_worker_slots{state="used"}')).toBe(1)
  for (const input of [one, ...ofWorkers]) {
    const lint = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' })
    // Not every machine has it.
    const complaints = lint.error === undefined ? `${lint.stdout}${lint.stderr}` : ''
    expect(complaints).toBe('')
  }
  const groups = await json<{ targets: string[]; labels: { process: string } }[]>('/metrics/targets')
  expect(groups.map(({ labels }) => labels.process)).toEqual(['api', 'worker', 'worker', 'worker'])

  await Promise.all(workers.map((each) => each.end('SIGKILL')))
  const status = async () => (await json<{ status: string }>('/health')).status
  const died = performance.now()
  await eventually(async () => (await status()) === 'unhealthy')
  expect(performance.now() - died).toBeLessThan(10_000)
  expect(read((await scrape())[0] ?? '')('alex_workers ')).toBe(0)
  await service.post(`/api/tasks/${held.task_id}/cancel`)
  const came = performance.now()
  await service.startWorker()
  await eventually(async () => (await status()) === 'healthy')
  expect(performance.now() - came).toBeLessThan(10_000)

  for (const text of await scrapedAfter(11)) {
    expect(totalsIn(text)).toEqual({ created: 12, finished: 11, unfinished: 1 })
    const of = read(text)
    expect(of('alex_tasks_finished_total{', 'status="cancelled",stop_reason="cancelled"')).toBe(2)
    expect(of('alex_tasks_started_total')).toBe(10)
    expect(of('alex_queue_wait_seconds_count')).toBe(10)
    expect(of('alex_task_duration_seconds_count{status="completed"}')).toBe(9)
    expect(of('alex_task_cancels_total')).toBe(2)
    expect(of('alex_task_cancel_duration_seconds_count')).toBe(2)
  }
})
