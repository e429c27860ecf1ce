/** Redis is killed while real workers are in the middle of model calls and commands, and comes back. */
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createClient } from '../chaos/client.ts'
import { createCollector } from '../chaos/collect.ts'
import { startEffects } from '../chaos/effects.ts'
import { startFleet } from '../chaos/fleet.ts'
import type { LogEntry, ModelCall, PlannedCall } from '../chaos/history.ts'
import { startModelServer } from '../chaos/model-server.ts'
import { createRandom } from '../chaos/random.ts'
import { createReaders } from '../chaos/readers.ts'
import { startRedisServer } from '../support/redis-server.ts'

const TASKS = 12

const startService = async () => {
  const resources = new AsyncDisposableStack()
  onTestFinished(() => resources.disposeAsync())
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'alex-outage-')))
  resources.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const workspace = join(folder, 'workspace')
  await mkdir(workspace)
  const redis = resources.use(await startRedisServer())
  const effects = resources.use(await startEffects(workspace))
  const model = resources.use(await startModelServer({ callFor: effects.callFor }))
  const prefix = '{outage}'
  const fleet = await startFleet({
    folder,
    workspace,
    redisSocket: redis.url,
    prefix,
    model,
    workers: 2,
    slots: TASKS,
  })
  resources.defer(async () => void (await fleet.stop()))
  for (const url of fleet.urls)
    while (!(await fetch(`${url}/health/ready`).catch(() => null))?.ok) await pause(50)
  return { redis, effects, model, fleet, prefix }
}

/** Model calls and commands in turn, so that some task is in the middle of each whenever Redis goes. */
const planFor = (marker: string, index: number, turns: number) => {
  const command: PlannedCall = { kind: 'ledger', beforeMs: 300 + 100 * (index % 7), afterMs: 200 }
  const turn = { calls: [command], modelMs: 200 + 90 * (index % 5) }
  return { marker, turns: [...Array.from({ length: turns }, () => turn), { calls: [], modelMs: 200 }] }
}

/** Steps taken more than once: a turn the model was asked again, a command that was interrupted. */
const repeatsOf = (
  calls: readonly ModelCall[],
  log: readonly LogEntry[],
  task: string,
  marker: string,
): number => {
  const turns = calls.filter((call) => call.marker === marker).map((call) => call.turn)
  const interrupted = log.filter((entry) => entry.task === task && entry.data['interrupted'] === true)
  return turns.length - new Set(turns).size + interrupted.length
}

const TOO_LONG_MS = 60_000

test.each([
  { seconds: 2, turns: 6, most: 0 },
  { seconds: 10, turns: 6, most: 1 },
])('an outage of $seconds s repeats at most $most steps a task, and everything goes on', async (scenario) => {
  const { redis, effects, model, fleet, prefix } = await startService()
  const ending = new AbortController()
  onTestFinished(() => ending.abort())
  const client = createClient({ urls: fleet.urls, ending: ending.signal })
  const readers = createReaders({ urls: fleet.urls, random: createRandom(1), ending: ending.signal })
  const collector = createCollector(redis.client, prefix)
  const tasks = await Promise.all(
    Array.from({ length: TASKS }, async (_, i) => {
      const marker = `o${i}`
      const plan = planFor(marker, i, scenario.turns)
      const id = await client.submit({ marker, session_id: `s-${i}`, atMs: 0, keyed: true, plan })
      readers.follow(marker, { task_id: String(id) }, 'steady')
      return { marker, id: String(id) }
    }),
  )
  while (model.calls.length < TASKS * 2) await pause(20)

  await redis.kill()
  const away = performance.now()
  const refused = await client.request('POST', '/api/tasks', { task: 'x' })
  const refusedAfter = performance.now() - away
  await pause(scenario.seconds * 1000 - refusedAfter)
  const callsBefore = model.calls.length
  await redis.start()
  const back = performance.now()
  while ((await client.request('GET', '/api/tasks/stats')).status !== 200) await pause(20)
  const apiAfter = performance.now() - back
  while (model.calls.length === callsBefore) await pause(10)
  const workersAfter = performance.now() - back
  process.stdout.write(
    `outage of ${scenario.seconds} s: 503 after ${refusedAfter.toFixed(0)} ms; back after: API ${apiAfter.toFixed(0)} ms, workers ${workersAfter.toFixed(0)} ms\n`,
  )
  await expect.poll(collector.unfinished, { timeout: TOO_LONG_MS, interval: 100 }).toEqual([])
  await expect.poll(() => readers.readers.every(({ finished }) => finished), { timeout: 5000 }).toBe(true)

  const log = Object.values(await collector.logs()).flat()
  expect(log.filter(({ type }) => type === 'task_complete')).toHaveLength(TASKS)
  const repeats = tasks.map(({ marker, id }) => repeatsOf(model.calls, log, id, marker))
  expect(repeats.filter((count) => count > scenario.most)).toEqual([])
  const tokens = (await effects.all()).map(({ token }) => token)
  expect(new Set(tokens).size).toBe(tokens.length)
  for (const { name, events, connects } of readers.readers) {
    expect(connects, `${name} was never cut off`).toHaveLength(1)
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1))
  }
  expect(refused.status).toBe(503)
  // The contract's own limits.
  expect(refusedAfter).toBeLessThan(2000)
  expect(apiAfter).toBeLessThan(1000)
  expect(workersAfter).toBeLessThan(3000)
})
