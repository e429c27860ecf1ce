import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Keeper, makeFolder, openKeeper } from '../support/keep.ts'
import { completed, newSession, queueTask, runTask, step } from '../support/sse.ts'

/** A session with an ended task that has rested for long. */
const restingSession = async ({ store, redis }: Keeper, steps = 3) => {
  const session = newSession()
  const task = await runTask(store, session, 'remember 41')
  for (let i = 1; i <= steps; i++) await task.append(step(i))
  await task.finish(completed('I will'))
  await redis.hset(store.key('session', session), 'updated_at', 1)
  return { session, task }
}
const RETENTION = { retentionMs: 60_000 }
const announced = async (options: Parameters<typeof openKeeper>[0] = {}) => {
  const keeper = await openKeeper({ ...RETENTION, ...options })
  await keeper.store.keeping.announce('p1', await keeper.folder.marker())
  return keeper
}
const isEvicted = async ({ store }: Keeper, session: string) =>
  (await store.keeping.session(session))?.evicted !== undefined

const MARKS = ['restored_at', 'restored_by', 'kept_by', 'look_from', 'keeper', 'keeper_until']

/** All that Redis holds of the session, but for the marks of having been away. */
const stateOf = async ({ store, redis, prefix }: Keeper, session: string) => {
  const state: Record<string, unknown> = {}
  const fields = await redis.hgetall(store.key('session', session))
  for (const mark of MARKS) delete fields[mark]
  state['session'] = fields
  state['log'] = await redis.xrange(store.key('session', session, 'log'), '-', '+')
  state['todos'] = await redis.get(store.key('session', session, 'todos'))
  const ids = await redis.zrange(store.key('session', session, 'tasks'), '0', '-1', 'WITHSCORES')
  state['tasks'] = ids
  for (const id of ids) state[id] = await redis.hgetall(store.key('task', id))
  for (const status of ['completed', 'cancelled', 'failed'])
    state[status] = await redis.zrange(store.key('status', status), '0', '-1', 'WITHSCORES')
  const left = await redis.keys(`${prefix.replaceAll(/[{}]/g, '?')}:restore:*`)
  return { ...state, left }
}

test('a session that rested leaves Redis, is listed as before, and comes back as it was', async () => {
  const keeper = await announced()
  const { store, redis, archive } = keeper
  const { session, task } = await restingSession(keeper, 500)
  const other = await queueTask(store, session, 'no')
  await store.cancel(other.task_id, 'no', 'user')
  await redis.set(store.key('session', session, 'todos'), '[{"content":"think","status":"pending"}]')
  await redis.hset(store.key('session', session), 'updated_at', 1)
  const before = await (async () => {
    // Mirrored, not evicted: nobody has announced a folder.
    await redis.del(store.key('stores'))
    await keeper.lookAt(session)
    return stateOf(keeper, session)
  })()
  await keeper.store.keeping.announce('p1', await keeper.folder.marker())
  await keeper.lookAt(session)

  expect(await isEvicted(keeper, session)).toBe(true)
  expect(await store.get(task.task_id)).toBeNull()
  expect(await store.stats()).toMatchObject({ completed: 0, cancelled: 0 })
  const names = await redis.keys(`${keeper.prefix.replaceAll(/[{}]/g, '?')}:session:*`)
  expect(names).toEqual([store.key('session', session)])
  expect(await redis.zrange(store.key('sessions'), '0', '-1')).toEqual([session])
  expect(await store.sessionFields(session)).toMatchObject({ title: 'remember 41', task_count: '2' })

  expect(await archive.ready(session)).toBe(true)
  expect(await stateOf(keeper, session)).toEqual(before)
  // It is in use again, and stays for as long as it would have anew.
  await keeper.lookAt(session)
  expect(await isEvicted(keeper, session)).toBe(false)
})

test('a session that two processes restore at once is there once', async () => {
  const keeper = await announced()
  const { store, archive } = keeper
  const { session } = await restingSession(keeper)
  await keeper.lookAt(session)
  const other = await openKeeper({ sessionDir: keeper.sessionDir, prefix: keeper.prefix })
  expect(await Promise.all([archive.ready(session), other.archive.ready(session)])).toEqual([true, true])
  expect(await store.readLog(session, '0-0', 100)).toHaveLength(6)
  expect((await stateOf(keeper, session)).left).toEqual([])
})

test.each<[string, (keeper: Keeper, session: string) => Promise<unknown>]>([
  ['another live process sees another folder', ({ store }) => store.keeping.announce('p2', 'another')],
  ['another live process sees no folder', ({ store }) => store.keeping.announce('p2', null)],
  ['no process has announced the folder', ({ store, redis }) => redis.del(store.key('stores'))],
  ['a task waits for its time', ({ store }, session) => queueTask(store, session)],
  [
    'it was used a moment ago',
    ({ store, redis }, session) => redis.hset(store.key('session', session), 'updated_at', Date.now()),
  ],
])('a session stays in Redis when %s', async (_, arrange) => {
  const keeper = await announced()
  const { session } = await restingSession(keeper)
  await arrange(keeper, session)
  await keeper.lookAt(session)
  await keeper.lookAt(session)
  expect(await isEvicted(keeper, session)).toBe(false)
})

test('a process that was last heard of long ago has no say in what is shared', async () => {
  const keeper = await announced()
  const { session } = await restingSession(keeper)
  await keeper.redis.zadd(keeper.store.key('stores'), Date.now() - 60_000, 'another:p2')
  await keeper.lookAt(session)
  expect(await isEvicted(keeper, session)).toBe(true)
})

test('a mirror that does not read back is written again before anything is evicted', async () => {
  const keeper = await announced()
  const { session } = await restingSession(keeper)
  const { store, redis, folder } = keeper
  await redis.del(store.key('stores'))
  await keeper.lookAt(session)
  await writeFile(folder.mirror(session), (await readFile(folder.mirror(session), 'utf8')).slice(0, -40))
  await store.keeping.announce('p1', await folder.marker())
  await keeper.lookAt(session)
  expect(await isEvicted(keeper, session)).toBe(false)
  await keeper.lookAt(session)
  expect(await isEvicted(keeper, session)).toBe(true)
  expect(await keeper.archive.ready(session)).toBe(true)
})

test('a session whose folder cannot be written is never evicted', async () => {
  const blocked = join(await makeFolder(), 'in the way')
  await writeFile(blocked, '')
  const keeper = await openKeeper({ ...RETENTION, sessionDir: join(blocked, 'sessions') })
  await keeper.store.keeping.announce('p1', null)
  const { session, task } = await restingSession(keeper)
  await keeper.lookAt(session)
  expect(await isEvicted(keeper, session)).toBe(false)
  expect(await keeper.store.get(task.task_id)).toMatchObject({ status: 'completed' })
})

test('a file that was removed takes its session with it, evicted or not', async () => {
  const keeper = await announced()
  const { store, folder } = keeper
  const stub = await restingSession(keeper)
  await keeper.lookAt(stub.session)
  expect(await isEvicted(keeper, stub.session)).toBe(true)
  const present = newSession()
  await (await runTask(store, present)).finish()
  await keeper.lookAt(present)
  for (const session of [stub.session, present]) {
    await rm(folder.mirror(session))
    await keeper.lookAt(session)
    expect(await store.sessionFields(session)).toBeNull()
    expect(await folder.exists(folder.costs(session))).toBe(false)
  }
  expect(await store.stats()).toMatchObject({ completed: 0 })
})

test('a session whose file was removed lives on when it is in use, or was used since', async () => {
  const keeper = await announced()
  const { store, folder } = keeper
  const session = newSession()
  await (await runTask(store, session)).finish()
  await keeper.lookAt(session)
  await rm(folder.mirror(session))
  const next = await runTask(store, session)
  await keeper.lookAt(session)
  expect(await store.sessionFields(session)).not.toBeNull()
  await rm(folder.mirror(session))
  await next.finish()
  await keeper.lookAt(session)
  expect(await folder.exists(folder.mirror(session))).toBe(true)
  expect(await store.get(next.task_id)).toMatchObject({ status: 'completed' })
})

test('an emptied folder deletes nothing: what is in Redis is written again', async () => {
  const keeper = await announced()
  const { store, folder } = keeper
  const present = newSession()
  await (await runTask(store, present)).finish()
  await keeper.lookAt(present)
  const stub = await restingSession(keeper)
  await keeper.lookAt(stub.session)
  await rm(keeper.sessionDir, { recursive: true })
  for (const session of [present, stub.session]) {
    await keeper.lookAt(session)
    expect(await store.sessionFields(session)).not.toBeNull()
  }
  expect(await folder.exists(folder.mirror(present))).toBe(true)
  await expect(keeper.archive.ready(stub.session)).rejects.toMatchObject({ name: 'SessionNotRestorable' })
  expect(await isEvicted(keeper, stub.session)).toBe(true)
})

test('files alone are enough: an empty Redis finds their sessions, and what was under way has failed', async () => {
  const first = await openKeeper()
  const { session, task } = await restingSession(first)
  const next = await runTask(first.store, session, 'unfinished')
  await first.lookAt(session)
  await writeFile(first.folder.mirror('broken'), 'what is this?')
  const { store, archive, folder } = await openKeeper({ sessionDir: first.sessionDir })
  await folder.marker()
  await archive.findAll(new AbortController().signal)
  expect(await store.sessionFields(session)).toMatchObject({ title: 'remember 41', task_count: '2' })
  expect(await store.sessionFields('broken')).toBeNull()
  expect(await archive.ready(session)).toBe(true)
  const events = await store.readLog(session, '0-0', 100)
  expect(events.slice(0, -1)).toEqual(await first.store.readLog(session, '0-0', 100))
  expect(events.at(-1)).toMatchObject({ event_type: 'task_failed', error: { code: 'restored' } })
  expect(await store.get(task.task_id)).toMatchObject({ status: 'completed' })
  expect(await store.get(next.task_id)).toMatchObject({ status: 'failed' })
  // And its next task runs.
  await runTask(store, session, 'go on')
})

test('a file whose parts nobody could read afterwards is refused, and leaves nothing in Redis', async () => {
  const keeper = await announced()
  const { store, folder, archive } = keeper
  const { session } = await restingSession(keeper)
  await keeper.lookAt(session)
  const whole = await readFile(folder.mirror(session), 'utf8')
  for (const [found, put] of [
    ['"type":"iteration_start"', '"type":"tool_call_start"'],
    ['"status":"completed"', '"status":"pondering"'],
    [`"session_id":"${session}","title"`, '"session_id":"another","title"'],
  ] as const) {
    await writeFile(folder.mirror(session), whole.replace(found, put))
    await expect(archive.ready(session)).rejects.toMatchObject({ name: 'SessionNotRestorable' })
    expect(await isEvicted(keeper, session)).toBe(true)
    expect(await store.readLog(session, '0-0', 10)).toEqual([])
  }
  // One of a type of its own is that of a newer release.
  await writeFile(folder.mirror(session), whole.replace('"type":"iteration_start"', '"type":"of_the_future"'))
  expect(await archive.ready(session)).toBe(true)
  expect(await store.readLog(session, '0-0', 10)).toContainEqual(
    expect.objectContaining({ event_type: 'foreign', type: 'of_the_future' }),
  )
})

test('a session made anew under the id of a deleted one keeps its file', async () => {
  const keeper = await openKeeper()
  const { store, folder, archive } = keeper
  const session = newSession()
  await (await runTask(store, session)).finish()
  await keeper.lookAt(session)
  await store.deleteSession(session, 'deleted', 'user')
  expect(await archive.purge(session)).toBe('purged')
  await (await runTask(store, session)).finish()
  await keeper.lookAt(session)
  // Somebody who was told of the deletion late.
  expect(await archive.purge(session)).toBe('purged')
  expect(await folder.exists(folder.mirror(session))).toBe(true)
})

test('a deleted session that is in the folder of another live process is left to that process', async () => {
  const keeper = await announced()
  const { store, folder } = keeper
  const session = newSession()
  await (await runTask(store, session)).finish()
  await keeper.lookAt(session)
  const apart = await openKeeper({ prefix: keeper.prefix })
  await store.deleteSession(session, 'deleted', 'user')
  expect(await apart.archive.purge(session)).toBe('elsewhere')
  expect(await folder.exists(folder.mirror(session))).toBe(true)
  expect(await keeper.archive.purge(session)).toBe('purged')
  expect(await folder.exists(folder.mirror(session))).toBe(false)
})
