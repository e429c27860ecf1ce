/** A Redis that comes back with nothing, or with what it held some time ago. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isTerminal } from '../../src/schemas/event.ts'
import { type Fleet, startFleet } from '../support/fleet.ts'
import { eventually, processesWith } from '../support/processes.ts'
import { calls } from '../support/service.ts'
import { watch } from '../support/sse.ts'

const WORKS_AGAIN_WITHIN_MS = 3000

const losses: [string, (fleet: Fleet) => Promise<unknown>][] = [
  ['is flushed', ({ redis }) => redis.client.call('FLUSHALL')],
  [
    'comes back empty',
    async ({ redis }) => {
      await redis.kill()
      await redis.startOlder()
    },
  ],
]

test.each(losses)('when Redis %s, slots are freed and the service goes on', async (_, lose) => {
  const fleet = await startFleet()
  const seconds = `${30 + Math.random() * 1e-3}`
  fleet.model.on({ userMessage: /long/, turnIndex: 0 }, calls(['bash', { command: `sleep ${seconds}` }]))
  fleet.model.on({ userMessage: /next/ }, { content: 'done' })
  const [api, worker] = await Promise.all([
    fleet.startApi(),
    fleet.startWorker({ ALEX_WORKER_CONCURRENCY: '1' }),
  ])
  await fleet.ready()
  const before = await fleet.submit({ task: 'long', session_id: 'both' })
  using ofTask = watch(`${fleet.url}/api/tasks/${before.task_id}/events`)
  using ofSession = watch(`${fleet.url}/api/sse?session_id=both`)
  await ofTask.untilType('tool_call_start')
  await ofSession.untilType('tool_call_start')
  await eventually(async () => (await processesWith(`sleep\0${seconds}`)).length > 0)

  await lose(fleet)
  const began = performance.now()
  await eventually(async () => (await fleet.request(`/api/tasks/${before.task_id}`)).status === 404)
  const after = await fleet.submit({ task: 'next', session_id: 'both' })
  expect(await fleet.ended(after.task_id)).toMatchObject({ status: 'completed', attempts: 1 })
  const took = performance.now() - began
  expect(took).toBeLessThan(WORKS_AGAIN_WITHIN_MS)
  expect(await processesWith(`sleep\0${seconds}`)).toEqual([])

  await ofSession.untilType('task_complete')
  await ofTask.untilClosed()
  expect(ofTask.statuses).toEqual([200, 404])
  expect(ofSession.statuses).toEqual([200])
  const { store } = fleet.openStore()
  const log = await store.readLog('both', '0-0', 100)
  expect(new Set(log.map(({ task_id }) => task_id))).toEqual(new Set([after.task_id]))
  expect(await store.redis.keys(`*${before.task_id}*`)).toEqual([])
  for (const process of [api, worker]) expect(process.logged('"level":50')).toEqual([])
})

test('a Redis set back in time: its tasks go on from there, each with one end', async () => {
  const fleet = await startFleet()
  const { model, redis, workspace } = fleet
  const gate = (name: string) =>
    calls(['bash', { command: `echo ${name} >> ledger; until [ -e ${name} ]; do sleep 0.02; done` }])
  const open = (name: string) => writeFile(join(workspace, name), '')
  for (const [turnIndex, name] of ['one', 'two', 'three'].entries())
    model.on({ userMessage: /gates/, turnIndex }, gate(name))
  model.on({ userMessage: /gates/, turnIndex: 3 }, { content: 'through' })
  model.on({ userMessage: /quick/ }, { content: 'done' })
  const processes = await Promise.all([fleet.startApi(), fleet.startWorker(), fleet.startWorker()])
  await fleet.ready()
  const { store } = fleet.openStore()
  const { task_id, session_id } = await fleet.submit({ task: 'gates' })
  using stream = watch(`${fleet.url}/api/tasks/${task_id}/events`)
  await open('one')
  await stream.untilType('tool_call_start', 2)
  await redis.keep()
  const lost = await fleet.submit({ task: 'quick' })
  await fleet.ended(lost.task_id)
  await open('two')
  await stream.untilType('tool_call_start', 3)

  await redis.kill()
  await redis.startOlder()
  await open('three')
  const task = await fleet.ended(task_id)
  expect(task).toMatchObject({ status: 'completed', attempts: 2, result: { answer: 'through' } })
  expect((await fleet.request(`/api/tasks/${lost.task_id}`)).status).toBe(404)

  const log = await store.readLog(session_id, '0-0', 1000)
  expect(log.map(({ seq }) => seq)).toEqual([...log.keys()].map((i) => i + 1))
  expect(log.filter(isTerminal)).toHaveLength(1)
  expect(log.filter(({ event_type }) => event_type === 'task_resumed')).toHaveLength(1)
  // The call that was under way when Redis was copied is not run again, the one that Redis forgot is.
  expect(await readFile(join(workspace, 'ledger'), 'utf8')).toBe('one\ntwo\nthree\nthree\n')
  await stream.untilType('task_complete')

  const next = await fleet.submit({ task: 'quick', session_id })
  expect(await fleet.ended(next.task_id)).toMatchObject({ status: 'completed', attempts: 1 })
  for (const process of processes) expect(process.logged('"level":50')).toEqual([])
})
