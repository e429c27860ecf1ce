/**
 * A connection that breaks after Redis has run a script and before its reply came: the client sends the script
 * again, and all must be as if nothing had happened.
 */
import { expect, onTestFinished, test } from 'vitest'
import { RedisUnavailable } from '../../src/errors.ts'
import { connectRedis } from '../../src/redis.ts'
import type { LogEvent, TerminalEvent } from '../../src/schemas/event.ts'
import type { ScriptName } from '../../src/tasks/scripts.ts'
import { createStore, LEASE_MS, type NewTask, type Store } from '../../src/tasks/store.ts'
import { startCuttingProxy } from '../support/cutting-proxy.ts'
import { type OpenStore, openStore, quietLog } from '../support/redis.ts'
import { TASK_FIELDS } from '../support/task-fields.ts'

const SESSION = 'the-session'
const lease = { task_id: 'first', activation: 'a' }
const progress = {
  set: { iteration: 1 },
  add: { tool_calls: 1 },
  usage: [{ model: 'm', call: '1.1', add: { model_calls: 1, input_tokens: 7, cost_nano: 3 } }],
}
/** A model call under way. */
const calling = async (open: OpenStore) => {
  await running(open)
  const call = JSON.stringify({ iteration: 1, model: 'm', tokens: 9, nano: 4 })
  await open.store.append(lease, 1, [iteration], { set: { 'open:1.1': call }, add: {} })
}
const iteration: LogEvent = { event_type: 'iteration_start', iteration: 1, max_iterations: 10 }
const complete: TerminalEvent = {
  event_type: 'task_complete',
  final_answer: 'done',
  stop_reason: 'final_answer',
  total_iterations: 1,
  total_tokens: 7,
  duration: 5,
}

const newTask = (task_id: string, over: Partial<NewTask> = {}): NewTask => ({
  task_id,
  session_id: SESSION,
  title: 't',
  fields: TASK_FIELDS,
  ...over,
})

/** `first` is at the head of the line, `second` behind it. */
const pending = async ({ store }: OpenStore) => {
  await store.create(newTask('first'))
  await store.create(newTask('second'))
}
const running = async (open: OpenStore) => {
  await pending(open)
  expect(await open.store.begin({ task_id: 'first', n: 1 }, lease.activation, 'w')).toMatchObject({
    verdict: 'started',
  })
}
const flagged = async (open: OpenStore) => {
  await running(open)
  expect(await open.store.cancel('first', 'no', 'user')).toMatchObject({ verdict: 'flagged' })
}
const delegation = {
  start: {
    event_type: 'tool_call_start',
    iteration: 1,
    call_id: '1.1',
    tool_name: 'subagent',
    arguments: {},
    effect: 'durable',
  },
  limit: 1,
  children: ['one', 'two'].map((task_id) => ({ task_id, fields: TASK_FIELDS })),
} as const
const child = { task_id: 'one', activation: 'c' }
/** `first` waits for `one`, which is at work, and for `two`. */
const waiting = async (open: OpenStore) => {
  await running(open)
  expect(await open.store.delegate(lease, 1, delegation)).toMatchObject({ verdict: 'ok' })
  await open.store.begin({ task_id: 'one', n: 1 }, child.activation, 'w')
}
/** `one` has ended, `two` is at work. */
const waitingForOne = async (open: OpenStore) => {
  await waiting(open)
  await open.store.finish(child, 1, [], complete, progress)
  await open.store.begin({ task_id: 'two', n: 1 }, 'd', 'w')
}
/** Its worker is silent. */
const lapsed = async (open: OpenStore) => {
  await running(open)
  await open.redis.hset(open.store.key('task', 'first'), 'lease_until', 1)
  await open.redis.zadd(open.store.key('due'), 1, 'first')
}
const outOfTime = async (open: OpenStore) => {
  await running(open)
  await open.store.release(lease, 'drained')
  await open.redis.hset(open.store.key('task', 'first'), 'deadline', 1)
}
const deleted = async (open: OpenStore) => {
  await pending(open)
  expect(await open.store.deleteSession(SESSION, 'deleted', 'user')).toBe('marked')
}

const look = { session_id: SESSION, token: 'l' }
const ENTRY = {
  id: '7-0',
  task: 'first',
  seq: 1,
  at: 1,
  type: 'task_queued',
  data: '{"task":"look around","position":1}',
}
/** Both tasks have ended, and a keeper has the session. */
const looked = async (open: OpenStore) => {
  await pending(open)
  for (const id of ['first', 'second']) await open.store.cancel(id, 'no', 'user')
  await open.redis.hset(open.store.key('session', SESSION), 'keeper', look.token)
  await open.store.keeping.announce('p', 'm')
}
const evictNow = async (store: Store) => {
  const { last_id } = (await store.sessionFields(SESSION)) ?? {}
  return store.keeping.evict(look, { state: `${last_id} `, marker: 'm', retentionMs: 0 })
}

interface Scenario {
  title: string
  script: ScriptName
  before: (open: OpenStore) => Promise<void>
  act: (store: Store) => Promise<unknown>
}

const worker = { id: 'w', info: '{}' }
const SCENARIOS: Scenario[] = [
  {
    title: 'a task is created once, at the head of its line',
    script: 'create',
    before: async () => {},
    act: (store) => store.create(newTask('first', { idempotency: { key: 'k', hash: 'h', answer: '{}' } })),
  },
  {
    title: 'a task is created once, behind another',
    script: 'create',
    before: pending,
    act: (store) => store.create(newTask('third')),
  },
  {
    title: 'an activation begins once',
    script: 'begin',
    before: pending,
    act: (store) => store.begin({ task_id: 'first', n: 1 }, lease.activation, 'w'),
  },
  {
    title: 'begin ends a task without time left once',
    script: 'begin',
    before: outOfTime,
    act: (store) => store.begin({ task_id: 'first', n: 2 }, 'b', 'w'),
  },
  {
    title: 'what a model call used is counted once',
    script: 'append',
    before: calling,
    act: (store) => store.append(lease, 2, [iteration], progress),
  },
  {
    title: 'what the last model call of a task used is counted once',
    script: 'finish',
    before: calling,
    act: (store) => store.finish(lease, 2, [iteration], complete, progress),
  },
  {
    title: 'a model call whose worker is lost is estimated once when the task is cancelled',
    script: 'cancel',
    before: async (open) => {
      await calling(open)
      await open.redis.hset(open.store.key('task', 'first'), 'lease_until', 1)
    },
    act: (store) => store.cancel('first', 'no', 'user'),
  },
  {
    title: 'events are appended once and counted once',
    script: 'append',
    before: running,
    act: (store) => store.append(lease, 1, [iteration, iteration], progress),
  },
  {
    title: 'an append that tells of a cancel is written once',
    script: 'append',
    before: flagged,
    act: (store) => store.append(lease, 1, [iteration], progress),
  },
  {
    title: 'a task ends once and wakes the next one once',
    script: 'finish',
    before: running,
    act: (store) => store.finish(lease, 1, [iteration], complete, progress),
  },
  {
    title: 'a task that is to be cancelled ends once',
    script: 'finish',
    before: flagged,
    act: (store) => store.finish(lease, 1, [iteration], complete, progress),
  },
  {
    title: 'children are made once, and the first one begins',
    script: 'delegate',
    before: running,
    act: (store) => store.delegate(lease, 1, delegation),
  },
  {
    title: 'a task that is to be cancelled makes no children',
    script: 'delegate',
    before: flagged,
    act: (store) => store.delegate(lease, 1, delegation),
  },
  {
    title: 'a child ends once and lets the next one begin',
    script: 'finish',
    before: waiting,
    act: (store) => store.finish(child, 1, [], complete, progress),
  },
  {
    title: 'the last child ends once and wakes its parent once',
    script: 'finish',
    before: waitingForOne,
    act: (store) => store.finish({ task_id: 'two', activation: 'd' }, 1, [], complete, progress),
  },
  {
    title: 'the last child of a task that is to be cancelled ends both once',
    script: 'finish',
    before: async (open) => {
      await waiting(open)
      await open.store.cancel('first', 'no', 'user')
    },
    act: (store) => store.finish(child, 1, [], complete, progress),
  },
  {
    title: 'a child is cancelled once and lets the next one begin',
    script: 'cancel',
    before: async (open) => {
      await running(open)
      await open.store.delegate(lease, 1, delegation)
    },
    act: (store) => store.cancel('one', 'no', 'user'),
  },
  {
    title: 'a waiting task is cancelled once, with the children that are not at work',
    script: 'cancel',
    before: waiting,
    act: (store) => store.cancel('first', 'no', 'user'),
  },
  {
    title: 'a task is released once',
    script: 'release',
    before: running,
    act: (store) => store.release(lease, 'drained'),
  },
  {
    title: 'a task that is to be cancelled ends once when it is released',
    script: 'release',
    before: flagged,
    act: (store) => store.release(lease, 'drained'),
  },
  {
    title: 'a pending task is cancelled once and wakes the next one',
    script: 'cancel',
    before: pending,
    act: (store) => store.cancel('first', 'no', 'user'),
  },
  {
    title: 'a task in the middle of its line is cancelled and wakes nobody',
    script: 'cancel',
    before: pending,
    act: (store) => store.cancel('second', 'no', 'user'),
  },
  {
    title: 'a running task is told of its cancel',
    script: 'cancel',
    before: running,
    act: (store) => store.cancel('first', 'no', 'user'),
  },
  {
    title: 'a beat gives the ticket of a lost task, and counts one loss',
    script: 'beat',
    before: lapsed,
    act: (store) => store.beat(worker, [{ ...lease, activation: 'another' }], 20),
  },
  {
    title: 'a beat keeps a lease',
    script: 'beat',
    before: running,
    act: (store) => store.beat(worker, [lease], 20),
  },
  {
    title: 'a beat gives a lost ticket',
    script: 'beat',
    before: async (open) => {
      await pending(open)
      await open.redis.zadd(open.store.key('due:tickets'), 1, 'first')
    },
    act: (store) => store.beat(worker, [], 20),
  },
  {
    title: 'a beat names a session to purge',
    script: 'beat',
    before: deleted,
    act: (store) => store.beat(worker, [], 20),
  },
  {
    title: 'a session is deleted',
    script: 'delete-session',
    before: running,
    act: (store) => store.deleteSession(SESSION, 'deleted', 'user'),
  },
  {
    title: 'a session is purged',
    script: 'purge-session',
    before: deleted,
    act: (store) => store.purgeSession(SESSION),
  },
  {
    title: 'todos are written',
    script: 'write-todos',
    before: running,
    act: (store) => store.writeTodos(lease, '["one"]'),
  },
  {
    title: 'a look ends once',
    script: 'kept',
    before: looked,
    act: (store) => store.keeping.kept(look, { mirrored: { state: 's', marker: 'm' }, retentionMs: 1 }),
  },
  {
    title: 'tasks are trimmed once',
    script: 'trim',
    before: looked,
    act: (store) => store.keeping.trim(SESSION, { entries: 1, retentionMs: 1e9 }),
  },
  {
    title: 'a session is evicted once',
    script: 'evict',
    before: looked,
    act: (store) => evictNow(store),
  },
  {
    title: 'a part of a session is laid aside once',
    script: 'stage',
    before: looked,
    act: (store) => store.keeping.stage('t', [{ id: 'first' }], [ENTRY]),
  },
  {
    title: 'a session is restored once, and what was unfinished in it ends once',
    script: 'restore',
    before: async ({ store }) => {
      await store.keeping.importStub(SESSION, { created_at: '1', task_count: '1' }, 1)
      const record = { ...TASK_FIELDS, id: 'first', session_id: SESSION, status: 'running', seq: '1' }
      await store.keeping.stage('t', [{ ...record, status_at: '1', created_at: '1' }], [ENTRY])
    },
    act: (store) =>
      store.keeping.restore(SESSION, 't', { tasks: 1, entries: 1, todos: '[]', last_id: '7-0' }),
  },
  {
    title: 'a session is forked once',
    script: 'fork',
    before: looked,
    act: (store) => store.keeping.fork(SESSION, 'fork', { key: 'k', hash: 'h' }),
  },
  {
    title: 'a session that is no longer used is deleted once',
    script: 'delete-session',
    before: looked,
    act: async (store) => {
      const { last_id = '' } = (await store.sessionFields(SESSION)) ?? {}
      return store.keeping.deleteUnused(SESSION, last_id, 'removed')
    },
  },
]

test.each(SCENARIOS)('$script, its reply cut: $title', async ({ script, before, act }) => {
  const uncut = await outcomeOf(before, act)
  const cut = await outcomeOf(before, act, script)
  expect(cut).toEqual(uncut)
})

test('a create that timed out for the API is not repeated: its key gives the first answer', async () => {
  const { open, proxy, redis } = await throughProxy('hasty')
  await new Promise<void>((resolve) => void redis.once('ready', resolve))
  const store = createStore({ redis, prefix: open.prefix, leaseMs: LEASE_MS })
  const idempotency = (answer: string) => ({ idempotency: { key: 'k', hash: 'h', answer } })
  const cut = proxy.cutNext('create')
  await expect(store.create(newTask('first', idempotency('1')))).rejects.toBeInstanceOf(RedisUnavailable)
  await cut
  if (redis.status !== 'ready') await new Promise<void>((resolve) => void redis.once('ready', resolve))
  expect(await store.create(newTask('second', idempotency('2')))).toEqual({
    verdict: 'replayed',
    answer: '1',
  })
  expect(await store.stats()).toMatchObject({ pending: 1 })
  expect(await store.readLog(SESSION, '0-0', 10)).toMatchObject([{ task_id: 'first', seq: 1 }])
})

async function throughProxy(kind: 'patient' | 'hasty') {
  const open = openStore()
  onTestFinished(() => open[Symbol.asyncDispose]())
  const proxy = await startCuttingProxy(open.url)
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  const redis = connectRedis(proxy.url, kind, quietLog)
  onTestFinished(() => redis.disconnect())
  return { open, proxy, redis }
}

/** What the call answered, and all that is in Redis after it; times and log ids left out. */
async function outcomeOf(before: Scenario['before'], act: Scenario['act'], cut?: ScriptName) {
  const { open, proxy, redis } = await throughProxy('patient')
  await before(open)
  const lost = cut && proxy.cutNext(cut)
  const answer = await act(createStore({ redis, prefix: open.prefix, leaseMs: LEASE_MS }))
  await lost
  return { answer: timeless(answer), state: await stateOf(open) }
}

async function stateOf({ redis, store, prefix }: OpenStore) {
  const state: Record<string, unknown> = {}
  for (const key of await redis.keys(`${prefix}:*`)) {
    const name = key.slice(prefix.length + 1)
    // BullMQ's own, and the marks of time.
    if (name.startsWith('tickets:') || name === 'last_beat') continue
    switch (await redis.type(key)) {
      case 'hash':
        state[name] = timeless(await redis.hgetall(key))
        if (name === 'counts') state[name] = withoutTimes(await redis.hgetall(key))
        break
      case 'zset':
        state[name] = await redis.zrange(key, '0', '-1').then((members) => members.toSorted())
        break
      case 'stream':
        state[name] = timeless(await store.readLog(SESSION, '0-0', 1000))
        break
      default:
        state[name] = await redis.get(key)
    }
  }
  return state
}

/** How often each thing was counted: which bucket a time falls into, and the sums, are others each time. */
function withoutTimes(counts: Record<string, string>) {
  const totals: Record<string, number> = {}
  for (const [name, n] of Object.entries(counts)) {
    if (name === 'since' || name.endsWith(' sum')) continue
    const what = name.replace(/ le \S+$/, '')
    totals[what] = (totals[what] ?? 0) + Number(n)
  }
  return totals
}

const LOG_ID = /^\d{13}-\d+$/
const TIME =
  /^(now|nextDueMs|timestamp|at|beat|deleted|evicted|look_from|deadline|not_before|lease_until|duration|.*_at)$/

/** Shows whether a time or log id is there, and how many, but not which. */
function timeless(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((inner) => timeless(inner))
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, timeless(inner, key)]))
  if (TIME.test(name)) return 'a time'
  if (typeof value === 'string')
    return value
      .split(' ')
      .map((word) => (LOG_ID.test(word) ? 'a log id' : word))
      .join(' ')
  return value
}
