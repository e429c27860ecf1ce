import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createCostService } from '../../src/tasks/cost-service.ts'
import { MirrorEvent, MirrorHead } from '../../src/tasks/mirror-file.ts'
import { type Keeper, makeFolder, openKeeper } from '../support/keep.ts'
import { eventually } from '../support/processes.ts'
import { calls, startService } from '../support/service.ts'
import { completed, logIds, newSession, runTask, step } from '../support/sse.ts'

const Mirror = MirrorHead.extend({
  todos: z.array(z.unknown()),
  tasks: z.array(z.record(z.string(), z.string())),
  events: z.array(MirrorEvent),
  event_count: z.number(),
})
const mirrorOf = async ({ folder }: Pick<Keeper, 'folder'>, sessionId: string) =>
  Mirror.parse(JSON.parse(await readFile(folder.mirror(sessionId), 'utf8')))

test('an ended task is in a file that anybody can read as JSON, a line an event', async () => {
  const keeper = await openKeeper()
  const session = newSession()
  const task = await runTask(keeper.store, session, 'count the\u2028lines\nof "this"')
  await task.append(step(1))
  await task.finish(completed('three'))
  const [look] = await keeper.store.keeping.look(5)
  expect(look?.session_id).toBe(session)
  if (look) await keeper.keepSession(look)

  const mirror = await mirrorOf(keeper, session)
  const ids = await logIds(keeper.store, session)
  expect(mirror).toMatchObject({ v: 1, session_id: session, task_count: 1, last_id: ids.at(-1) })
  expect(mirror.events.map(({ id }) => id)).toEqual(ids)
  expect(mirror.events.map(({ type, seq }) => [type, seq])).toEqual([
    ['task_queued', 1],
    ['task_started', 2],
    ['iteration_start', 3],
    ['task_complete', 4],
  ])
  expect(mirror.events[0]?.data['task']).toBe('count the\u2028lines\nof "this"')
  expect(mirror.tasks).toEqual([await keeper.redis.hgetall(keeper.store.key('task', task.task_id))])
  const lines = (await readFile(keeper.folder.mirror(session), 'utf8')).split('\n')
  expect(lines.filter((line) => line.includes('"type":"'))).toHaveLength(4)
  expect((await stat(keeper.folder.mirror(session))).mode & 0o777).toBe(0o600)
  expect((await stat(keeper.sessionDir)).mode & 0o777).toBe(0o700)
  expect(JSON.parse(await readFile(keeper.folder.costs(session), 'utf8'))).toMatchObject({
    session_id: session,
    tasks: [{ task_id: task.task_id, model: 'gpt-4o-mini', total_tokens: 0 }],
  })
})

test('what is longer than a page is whole, with the next task in it as far as it has come', async () => {
  const keeper = await openKeeper()
  const session = newSession()
  const first = await runTask(keeper.store, session)
  for (let i = 0; i < 10; i++) await first.append(...Array.from({ length: 100 }, (_, n) => step(n)))
  await first.finish()
  await runTask(keeper.store, session, 'the next')
  await keeper.lookAt(session)
  const { events, event_count, tasks } = await mirrorOf(keeper, session)
  expect(events.map(({ id }) => id)).toEqual(await logIds(keeper.store, session))
  expect(event_count).toBe(1005)
  expect(tasks.map(({ status }) => status)).toEqual(['completed', 'running'])
})

test('secrets are masked in a mirror, calls keep their structure and long texts their length', async () => {
  const secret = 'hunter2-and-more'
  const keeper = await openKeeper({ secrets: [secret] })
  const session = newSession()
  const task = await runTask(keeper.store, session, `say ${secret} ${'x'.repeat(40_000)}`)
  const call = { call_id: '1.1', tool_name: 'bash', arguments: JSON.stringify({ command: `echo ${secret}` }) }
  await task.append({
    event_type: 'think_complete',
    iteration: 1,
    content: secret,
    tool_calls: [call],
    model: 'm',
    usage: { input_tokens: 1, output_tokens: 1, cached_tokens: 0 },
    duration: 1,
  })
  await task.finish(completed(secret))
  await keeper.lookAt(session)
  expect(await readFile(keeper.folder.mirror(session), 'utf8')).not.toContain(secret)
  const { events, tasks } = await mirrorOf(keeper, session)
  expect(events[2]?.data['tool_calls']).toEqual([{ ...call, arguments: '{"command":"echo [redacted]"}' }])
  expect(String(events[0]?.data['task'])).toHaveLength('say [redacted] '.length + 40_000)
  expect(tasks[0]?.['task']).toContain('say [redacted]')
})

test('a mirror is written again only when there is something new', async () => {
  const keeper = await openKeeper()
  const session = newSession()
  await (await runTask(keeper.store, session)).finish()
  await keeper.lookAt(session)
  const before = await stat(keeper.folder.mirror(session))
  await keeper.lookAt(session)
  expect((await stat(keeper.folder.mirror(session))).ino).toBe(before.ino)
  await (await runTask(keeper.store, session)).finish()
  await keeper.lookAt(session)
  expect((await mirrorOf(keeper, session)).tasks).toHaveLength(2)
})

test('a folder that cannot be written is told once, loses nothing, and is written when it can be', async () => {
  const told: string[] = []
  const blocked = join(await makeFolder(), 'in the way')
  await writeFile(blocked, '')
  const keeper = await openKeeper({ sessionDir: join(blocked, 'sessions'), onLog: (line) => told.push(line) })
  const sessions = [newSession(), newSession()]
  for (const session of sessions) {
    await (await runTask(keeper.store, session)).finish()
    await keeper.lookAt(session)
    await keeper.lookAt(session)
  }
  expect(told).toEqual(['[ServerCoordinator] sessions cannot be mirrored; tried again until it works'])
  for (const session of sessions) expect(await logIds(keeper.store, session)).toHaveLength(3)
  await rm(blocked)
  for (const session of sessions) await keeper.lookAt(session)
  expect(told.at(-1)).toBe('[ServerCoordinator] sessions are mirrored again')
  for (const session of sessions) expect((await mirrorOf(keeper, session)).tasks).toHaveLength(1)
})

test('one keeper at a time has a session, and one that died leaves it to another', async () => {
  const keeper = await openKeeper()
  const { keeping, key } = keeper.store
  const session = newSession()
  await (await runTask(keeper.store, session)).finish()
  const [dead] = await keeping.look(5)
  if (!dead) throw new Error('nobody looked')
  await (await runTask(keeper.store, session)).finish()
  expect(await keeping.look(5)).toEqual([])
  // Its claim runs out.
  await keeper.redis.hset(key('session', session), 'keeper_until', 1)
  await keeper.redis.zadd(key('keep'), 0, session)
  const [other] = await keeping.look(5)
  expect(other?.session_id).toBe(session)
  expect(await keeping.kept(dead, { retentionMs: 1 })).toBe('lost')
  expect(other && (await keeping.kept(other, { retentionMs: 1 }))).toBe('kept')
})

test('a session deleted while it was written leaves no file', async () => {
  const keeper = await openKeeper()
  const session = newSession()
  await (await runTask(keeper.store, session)).finish()
  const [look] = await keeper.store.keeping.look(5)
  const { write } = keeper.folder
  keeper.folder.write = async (file, chunks) => {
    await write(file, chunks)
    await keeper.store.deleteSession(session, 'deleted', 'user')
    while ((await keeper.store.purgeSession(session)) === 'more');
  }
  if (look) await keeper.keepSession(look)
  expect(await keeper.folder.exists(keeper.folder.mirror(session))).toBe(false)
  expect(await keeper.folder.exists(keeper.folder.costs(session))).toBe(false)
  expect(await keeper.redis.zcard(keeper.store.key('keep'))).toBe(0)
})

test('processes that come to an empty folder at once agree on its marker', async () => {
  const sessionDir = join(await makeFolder(), 'deep', 'sessions')
  const same = await Promise.all(
    Array.from({ length: 8 }, async () => (await openKeeper({ sessionDir })).folder.marker()),
  )
  expect(new Set(same).size).toBe(1)
  expect((await readdir(sessionDir)).toSorted()).toEqual(['.alex-store'])
  expect(await (await openKeeper()).folder.marker()).not.toBe(same[0])
})

test('a worker mirrors what it did, within its beat, and costs beside it', async () => {
  const service = await startService()
  const folder = await makeFolder()
  service.model.on({ turnIndex: 0 }, calls(['bash', { command: 'echo hello' }]))
  service.model.on({ turnIndex: 1 }, { content: 'It says hello.' })
  await service.startWorker({ ALEX_SESSION_DIR: join(folder, 's'), ALEX_COST_DIR: join(folder, 'c') })
  const { task_id, session_id } = await service.submit({ task: 'run it', session_id: 'kept' })
  await service.ended(task_id)
  const file = join(folder, 's', `${session_id}.json`)
  await eventually(async () => (await readFile(file, 'utf8').catch(() => '')).includes('"task_complete"'))
  const mirror = Mirror.parse(JSON.parse(await readFile(file, 'utf8')))
  expect(mirror.events.map(({ id }) => id)).toEqual(await logIds(service.store, session_id))
  await eventually(async () => (await readdir(folder)).includes('c'))
  await eventually(async () => (await readdir(join(folder, 'c'))).includes('kept.json'))
  const costs = JSON.parse(await readFile(join(folder, 'c', 'kept.json'), 'utf8')) as object
  expect(costs).toMatchObject({ tasks: [{ task_id, model_calls: 2 }] })
})

test('the costs of a session are in its files, and come back from them when Redis has lost it', async () => {
  const keeper = await openKeeper()
  const { store, redis, archive } = keeper
  const session = newSession()
  const { task_id } = await runTask(store, session)
  const lease = { task_id, activation: (await redis.hget(store.key('task', task_id), 'activation')) ?? '' }
  const seq = Number(await redis.hget(store.key('task', task_id), 'seq'))
  const add = { model_calls: 1, input_tokens: 7, output_tokens: 1, cost_nano: 1500 }
  const usage = [{ model: 'a model', add }]
  const finished = await store.finish(lease, seq, [], completed('done'), { set: {}, add: {}, usage })
  expect(finished.verdict).toBe('ok')
  await keeper.lookAt(session)
  const file: unknown = JSON.parse(await readFile(keeper.folder.costs(session), 'utf8'))
  expect(file).toMatchObject({ tasks: [{ task_id, total_tokens: 8, cost_usd: 0.000_001_5 }] })

  const costs = createCostService({ store, archive })
  const before = await costs.ofSession(session)
  expect(before).toMatchObject({ total_tokens: 8, cost_usd: 0.000_001_5, models: [{ model: 'a model' }] })
  await redis.unlink(...(await redis.keys(`${keeper.prefix}:*`)))
  expect(await costs.ofSession(session)).toEqual(before)
})
