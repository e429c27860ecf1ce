/** How often a worker beats: every second while anything is at work, less often while nothing is. */
import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Rhythm } from '../../src/tick.ts'
import { createActivations } from '../../workers/activations.ts'
import { createHeartbeat } from '../../workers/heartbeat.ts'
import { openStore, quietLog } from '../support/redis.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { TASK_FIELDS } from '../support/task-fields.ts'

/** Shorter than the product's, longer than a second. */
const QUIET_S = 4
/** Less than a quiet worker waits. */
const RESTING_MS = QUIET_S * 1000 - 1500
const SOON = { timeout: RESTING_MS, interval: 5 }
const LATE = { timeout: 4 * QUIET_S * 1000, interval: 20 }

const setup = ({ url, mayRest = true }: { url?: string; mayRest?: boolean } = {}) => {
  const open = openStore(url === undefined ? {} : { url })
  onTestFinished(() => open[Symbol.asyncDispose]())
  const { store, queue } = open
  const rhythm: Rhythm = { everyS: 1 }
  const confirmed: number[] = []
  const heartbeat = createHeartbeat({
    store,
    queue,
    activations: createActivations(),
    info: () => ({
      worker_id: 'w',
      host: 'here',
      pid: 1,
      port: 0,
      version: '0',
      started_at: '',
      slots: 1,
      running: [],
      draining: false,
      components: [],
    }),
    onConfirmed: (sentAt) => confirmed.push(sentAt),
    onBeat: () => {},
    rhythm,
    quietS: QUIET_S,
    mayRest: () => mayRest,
    log: quietLog,
  })
  onTestFinished(() => heartbeat.stop())
  heartbeat.start()
  return {
    ...open,
    heartbeat,
    rhythm,
    confirmed,
    restsFor: (seconds: number) => vi.waitUntil(() => rhythm.everyS === seconds, LATE),
    /** Resolves with the time from the last beat to the next one, ms. */
    next: async (patience: { timeout: number; interval: number }) => {
      const before = confirmed.length
      await vi.waitUntil(() => confirmed.length > before, patience)
      return (confirmed[before] ?? 0) - (confirmed[before - 1] ?? 0)
    },
    create: async (run_at_ms?: number) => {
      const task_id = `task-${randomUUID()}`
      const options = { task_id, session_id: 's', title: 't', fields: TASK_FIELDS }
      await store.create(run_at_ms === undefined ? options : { ...options, run_at_ms })
      return { task_id, n: 1 }
    },
  }
}

test('a worker of a quiet fleet rests longer between beats', async () => {
  const { restsFor, next } = setup()
  await restsFor(QUIET_S)
  await next(LATE)
  expect(await next(LATE)).toBeGreaterThan(QUIET_S * 1000 - 200)
})

test('what a worker runs beside tasks keeps it beating every second', async () => {
  const { next, rhythm } = setup({ mayRest: false })
  await next(SOON)
  await next(SOON)
  expect(rhythm.everyS).toBe(1)
})

test('a worker that takes a task beats within a second of its last beat', async () => {
  const { restsFor, next, heartbeat, create, store } = setup()
  await restsFor(QUIET_S)
  const task = await create()
  heartbeat.workBegan()
  await store.begin(task, 'an activation', 'w')
  expect(await next(SOON)).toBeLessThan(RESTING_MS)
  // That one told that the task is at work.
  expect(await next(SOON)).toBeLessThan(RESTING_MS)
})

test('a worker that is told to beat does, and goes on every second while something is at work', async () => {
  const { restsFor, next, heartbeat, create, store } = setup()
  await restsFor(QUIET_S)
  await store.begin(await create(), 'an activation', 'another worker')
  heartbeat.quietEnded()
  await next(SOON)
  expect(await next(SOON)).toBeLessThan(RESTING_MS)
  expect(await next(SOON)).toBeLessThan(RESTING_MS)
})

test('a task that is scheduled gets its ticket in time, however long its worker would rest', async () => {
  const { restsFor, heartbeat, create, store, redis } = setup()
  await restsFor(QUIET_S)
  const { task_id } = await create(Date.now() + 1200)
  heartbeat.quietEnded()
  await expect.poll(() => redis.zscore(store.key('ready'), task_id), SOON).not.toBeNull()
})

test('a worker whose beats are refused tries again every second', async () => {
  const server = await startRedisServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const { restsFor, next, heartbeat, rhythm } = setup({ url: server.url })
  await restsFor(QUIET_S)
  await server.client.config('SET', 'min-replicas-to-write', '1')
  await heartbeat.beat()
  await restsFor(1)
  await server.client.config('SET', 'min-replicas-to-write', '0')
  await next(SOON)
  expect(rhythm.everyS).toBe(QUIET_S)
})
