/** The emitter on a real store: what it writes, how it groups, and when it stops. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { LeaseLost, RedisUnavailable } from '../../src/errors.ts'
import { type ConnectionKind, connectRedis } from '../../src/redis.ts'
import type { LogEvent } from '../../src/schemas/event.ts'
import type { Refusal } from '../../src/tasks/replies.ts'
import { createStore, LEASE_MS, type Store } from '../../src/tasks/store.ts'
import { createEmitter } from '../../workers/emitter.ts'
import { createLeaseClock, monotonicMs } from '../../workers/lease.ts'
import { openStore, quietLog } from '../support/redis.ts'
import { TASK_FIELDS } from '../support/task-fields.ts'

const SESSION = 'the-session'
const iteration = (n: number): LogEvent => ({
  event_type: 'iteration_start',
  iteration: n,
  max_iterations: 10,
})

/** A running task; its appends go through `append`, which tests may stand in the way of. */
const setup = async (options: { leaseSentAt?: number; connection?: ConnectionKind } = {}) => {
  const open = openStore()
  onTestFinished(() => open[Symbol.asyncDispose]())
  const { store } = open
  const task_id = `task-${randomUUID()}`
  await store.create({
    task_id,
    session_id: SESSION,
    title: 't',
    fields: TASK_FIELDS,
  })
  const lease = { task_id, activation: 'mine' }
  await store.begin({ task_id, n: 1 }, lease.activation, 'w')
  const redis = connectRedis(open.url, options.connection ?? 'patient', quietLog)
  onTestFinished(() => redis.disconnect())
  await once(redis, 'ready')
  const writer = createStore({ redis, prefix: open.prefix, leaseMs: LEASE_MS })
  const append = vi.fn<Store['append']>((...args) => writer.append(...args))
  const onCancel = vi.fn<() => void>()
  const onRefused = vi.fn<(refusal: Refusal) => void>()
  const clock = createLeaseClock(3000, options.leaseSentAt ?? monotonicMs())
  const emitter = createEmitter({
    store: { ...writer, append },
    lease,
    clock,
    sessionId: SESSION,
    seq: 1,
    onCancel,
    onRefused,
  })
  return {
    ...open,
    lease,
    writer,
    append,
    onCancel,
    onRefused,
    clock,
    emitter,
    iterations: async () =>
      (await store.readLog(SESSION, '0-0', 1000)).flatMap((event) =>
        event.event_type === 'iteration_start' ? [event.iteration] : [],
      ),
    /** Keeps the next append from being sent until the returned function is called. */
    holdAppend: () => {
      const gate = Promise.withResolvers<void>()
      append.mockImplementationOnce(async (...args) => {
        await gate.promise
        return writer.append(...args)
      })
      return gate.resolve
    },
    groups: () => append.mock.calls.map(([, , events]) => events.length),
  }
}

test('commit resolves when all that was emitted is in the log, in order', async () => {
  const { emitter, iterations } = await setup()
  for (let i = 1; i <= 50; i++) emitter.emit(iteration(i))
  await emitter.commit()
  expect(await iterations()).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
})

test('events of one turn travel together, those emitted meanwhile in the next group', async () => {
  const { emitter, groups, append, holdAppend } = await setup()
  const letGo = holdAppend()
  emitter.emit(iteration(1))
  emitter.emit(iteration(2), iteration(3))
  await vi.waitFor(() => expect(append).toHaveBeenCalledOnce())
  emitter.emit(iteration(4))
  emitter.emit(iteration(5))
  letGo()
  await emitter.commit()
  expect(groups()).toEqual([3, 2])
})

test('events that nobody waits for go out at the end of the turn', async () => {
  const { emitter, append } = await setup()
  emitter.emit(iteration(1))
  await Promise.resolve()
  emitter.emit(iteration(2))
  expect(append).not.toHaveBeenCalled()
  await nextTurn()
  expect(append).toHaveBeenCalledOnce()
  await emitter.commit()
})

test('the last events of a turn are left to the end that follows in it', async () => {
  const { emitter, append } = await setup()
  emitter.emit(iteration(1))
  await emitter.settled()
  expect(await emitter.close()).toMatchObject({ seq: 1, rest: [iteration(1)] })
  await nextTurn()
  expect(append).not.toHaveBeenCalled()
})

test('a refusal is told to whoever only waits for what is under way', async () => {
  const { emitter, store, lease } = await setup()
  await store.release(lease, 'drained')
  emitter.emit(iteration(1))
  await nextTurn()
  await expect(emitter.settled()).rejects.toThrow(LeaseLost)
})

test('an event emitted as soon as the one before is durable is written too', async () => {
  const { emitter, iterations } = await setup()
  for (let i = 1; i <= 20; i++) {
    emitter.emit(iteration(i))
    await emitter.commit()
  }
  expect(await iterations()).toHaveLength(20)
})

test('without anything emitted commit resolves at once', async () => {
  const { emitter, append } = await setup()
  await emitter.commit()
  expect(append).not.toHaveBeenCalled()
})

test('what could not be written while Redis was away is written afterwards, once', async () => {
  const { emitter, writer, append, iterations } = await setup({ connection: 'hasty' })
  writer.redis.disconnect(true)
  emitter.emit(iteration(1))
  await emitter.commit()
  expect(append.mock.settledResults[0]).toMatchObject({
    type: 'rejected',
    value: expect.any(RedisUnavailable),
  })
  expect(await iterations()).toEqual([1])
})

test('a written group renews the lease from when it was sent', async () => {
  const { emitter, clock } = await setup({ leaseSentAt: monotonicMs() - 60_000 })
  expect(() => clock.assert()).toThrow(LeaseLost)
  emitter.emit(iteration(1))
  await emitter.commit()
  expect(() => clock.assert()).not.toThrow()
})

test('after a refusal commit throws, and nothing more is sent', async () => {
  const { emitter, append, onRefused, store, lease, iterations } = await setup()
  await store.release(lease, 'drained')
  emitter.emit(iteration(1))
  await expect(emitter.commit()).rejects.toThrow(LeaseLost)
  expect(onRefused).toHaveBeenCalledExactlyOnceWith({
    verdict: 'lost',
    why: expect.stringContaining('pending'),
  })
  emitter.emit(iteration(2))
  await expect(emitter.commit()).rejects.toThrow(LeaseLost)
  expect(append).toHaveBeenCalledOnce()
  expect(await iterations()).toEqual([])
})

test('an append that tells of a cancel says so, and is written all the same', async () => {
  const { emitter, onCancel, store, lease, iterations } = await setup()
  await store.cancel(lease.task_id, 'no', 'user')
  emitter.emit(iteration(1))
  await emitter.commit()
  expect(onCancel).toHaveBeenCalledOnce()
  expect(await iterations()).toEqual([1])
})

test('an append that breaks is thrown by commit, though nobody waited for it at that time', async () => {
  const { emitter, writer } = await setup()
  const log = writer.key('session', SESSION, 'log')
  await writer.redis.multi().del(log).set(log, 'no stream').exec()
  emitter.emit(iteration(1))
  // Its answer comes after the append's; a rejection that nobody handles is reported in the turn after, and fails the run.
  await writer.redis.ping()
  await nextTurn()
  await expect(emitter.commit()).rejects.toThrow('WRONGTYPE')
  expect(await emitter.close()).toMatchObject({ seq: 1, rest: [] })
})

test('closing gives what was not sent yet to the last write', async () => {
  const { emitter, store, lease, iterations } = await setup()
  emitter.emit(iteration(1))
  await emitter.commit()
  emitter.emit(iteration(2))
  const closed = await emitter.close()
  expect(closed).toEqual({
    seq: 2,
    rest: [iteration(2)],
    progress: { set: { iteration: 2 }, add: {}, usage: [] },
  })
  emitter.emit(iteration(3))
  await emitter.commit()
  expect(await iterations()).toEqual([1])
  await store.finish(lease, closed.seq, closed.rest, null, { set: {}, add: {} })
  expect(await iterations()).toEqual([1, 2])
})

test('closing waits for the group under way', async () => {
  const { emitter, append, iterations, holdAppend } = await setup()
  const letGo = holdAppend()
  emitter.emit(iteration(1))
  await vi.waitFor(() => expect(append).toHaveBeenCalledOnce())
  emitter.emit(iteration(2))
  const closing = emitter.close()
  letGo()
  expect(await closing).toMatchObject({ seq: 2, rest: [iteration(2)] })
  expect(await iterations()).toEqual([1])
})
