/** Processes that are there before their Redis. */
import { expect, test } from 'vitest'
import { startFleet } from '../support/fleet.ts'
import { freePort } from '../support/free-port.ts'
import { eventually } from '../support/processes.ts'

const WORKS_WITHIN_MS = 3000
const ANSWERS_WITHIN_MS = 1000

test('a worker and an API started before Redis wait for it, say so once, and work when it comes', async () => {
  const fleet = await startFleet({ redisRunning: false })
  fleet.model.on({ userMessage: /early/ }, { content: 'done' })
  const opsPort = await freePort()
  const [api, worker] = await Promise.all([
    fleet.startApi(),
    fleet.startWorker({ ALEX_WORKER_PORT: String(opsPort) }),
  ])
  const live = async () =>
    Promise.all([
      fetch(`http://127.0.0.1:${opsPort}/health/live`),
      fleet.request('/health/live'),
      fleet.request('/health'),
      fleet.post('/api/tasks', { task: 'too early' }),
    ])
  await Promise.all([worker.untilLogged('[DI] Redis is away'), api.untilLogged('[DI] Redis is away')])
  // Many attempts to connect later.
  for (let round = 0; round < 5; round++) {
    const [ofWorker, ofApi, health, refused] = await live()
    expect([ofWorker?.status, ofApi?.status, health?.status, refused?.status]).toEqual([200, 200, 503, 503])
    expect(refused?.headers.get('Retry-After')).toBe('1')
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  expect(worker.logged('[DI] Redis is away')).toHaveLength(1)
  expect(api.logged('[DI] Redis is away')).toHaveLength(1)

  await fleet.redis.start()
  const began = performance.now()
  let task_id = ''
  await eventually(async () => {
    const answer = await fleet.post('/api/tasks', { task: 'early' })
    if (answer.ok) ({ task_id } = (await answer.json()) as { task_id: string })
    return answer.ok
  })
  const answered = performance.now() - began
  expect(await fleet.ended(task_id)).toMatchObject({ status: 'completed', attempts: 1 })
  const worked = performance.now() - began
  expect(answered).toBeLessThan(ANSWERS_WITHIN_MS)
  expect(worked).toBeLessThan(WORKS_WITHIN_MS)
  await fleet.ready()
  expect(worker.logged('[DI] Redis is back')).toHaveLength(1)
  expect(worker.logged('"level":50')).toEqual([])
  expect(api.logged('"level":50')).toEqual([])
})
