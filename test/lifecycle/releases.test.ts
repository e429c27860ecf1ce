/** Releases side by side: what an older one wrote is read, what a newer one wrote does no harm. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { foldTask, foldTranscript } from '../../src/agent/fold.ts'
import { entryOf, eventOf } from '../../src/tasks/event-log.ts'
import { startApi } from '../support/api.ts'
import { eventually } from '../support/processes.ts'
import { startService } from '../support/service.ts'
import { completed, newSession, readRaw, runTask, step, watch } from '../support/sse.ts'

const fixture = (name: string) => readFile(join(import.meta.dirname, 'fixtures', name), 'utf8')
const Line = z.tuple([z.string(), z.array(z.string())])

test.for(['1', '2'])('the log of release %s folds to the messages it folded to then', async (release) => {
  const lines = (await fixture(`log-v${release}.jsonl`)).trim().split('\n')
  const history = lines.map((line) => {
    const [id, fields] = Line.parse(JSON.parse(line))
    expect(fields.slice(0, 2)).toEqual(['v', release])
    return eventOf('recorded', entryOf(id, fields))
  })
  expect(history.filter(({ event_type }) => event_type === 'foreign')).toEqual([])
  const last = history.at(-1)?.task_id ?? ''
  const own = history.filter(({ task_id }) => task_id === last)
  expect([...foldTranscript(history, last), ...foldTask(own)]).toEqual(
    JSON.parse(await fixture(`log-v${release}.messages.json`)),
  )
})

const OWN = '2'
const NEWER = '3'
const SECRET = 'a-secret-of-some-length'

/** Appends what a newer release would: an unknown type, a known one in a shape of its own, a known one with more. */
const appendNewer = async (
  { store, redis }: Awaited<ReturnType<typeof startApi>>,
  task: { task_id: string; session_id: string },
) => {
  const log = store.key('session', task.session_id, 'log')
  const entries: [string, object][] = [
    ['plan_revised', { steps: ['one', SECRET], revision: { by: 'planner' } }],
    ['think_complete', { iteration: { major: 1, minor: 2 }, content: [{ text: 'in parts' }] }],
    ['iteration_start', { iteration: 1, max_iterations: 9, mood: 'curious' }],
  ]
  const ids: string[] = []
  for (const [i, [type, data]] of entries.entries()) {
    const seq = String(100 + i)
    const fields = ['v', NEWER, 'task', task.task_id, 'seq', seq, 'at', String(Date.now()), 'type', type]
    const prev = (await redis.hget(store.key('session', task.session_id), 'last_id')) ?? '0-0'
    const id = String(await redis.xadd(log, '*', ...fields, 'data', JSON.stringify(data), 'hue', 'blue'))
    await redis.hset(store.key('session', task.session_id), 'last_id', id)
    const message = {
      prev,
      id,
      task: task.task_id,
      seq: 100 + i,
      at: Date.now(),
      type,
      data: JSON.stringify(data),
    }
    await redis.publish(store.key('events', task.session_id), JSON.stringify({ ...message, hue: 'blue' }))
    ids.push(id)
  }
  const frame = { event_type: 'mood_changed', attempt: 1, mood: 'curious' }
  await redis.publish(
    store.key('events', task.session_id),
    JSON.stringify({ task: task.task_id, at: Date.now(), frame }),
  )
  return ids
}

test('entries of a newer release pass through streams redacted, live and replayed', async () => {
  await using api = await startApi({ secrets: [SECRET] })
  const session = newSession()
  const task = await runTask(api.store, session)
  using live = watch(`${api.url}/api/sse?session_id=${session}`)
  using raw = await readRaw(`${api.url}/api/sse?session_id=${session}`)
  await live.untilType('task_started')
  await raw.until(/task_started/)
  const ids = await appendNewer(api, task)
  await task.append(step(2))
  await task.finish()
  await live.untilType('task_complete')
  using replayed = await readRaw(`${api.url}/api/sse?session_id=${session}&replay=all`)
  for (const text of [
    await raw.until(/event: task_complete\n.*\n/),
    await replayed.until(/event: task_complete\n.*\n/),
  ]) {
    const frames = text.split('\n\n').filter((frame) => ids.some((id) => frame.startsWith(`id: ${id}\n`)))
    expect(frames.map((frame) => /event: (.+)/.exec(frame)?.[1])).toEqual([
      'plan_revised',
      'think_complete',
      'iteration_start',
    ])
    const [plan] = frames.map((frame) => JSON.parse(/data: (.+)/.exec(frame)?.[1] ?? '') as object)
    expect(plan).toMatchObject({
      event_type: 'plan_revised',
      id: ids[0],
      task_id: task.task_id,
      session_id: session,
      seq: 100,
      revision: { by: 'planner' },
    })
    expect(text).not.toContain(SECRET)
    expect(text).not.toContain('foreign')
  }
})

test('a session with entries of a newer release is read, and its transcript is that of the entries we know', async () => {
  await using api = await startApi()
  const session = newSession()
  const task = await runTask(api.store, session, 'look around')
  await appendNewer(api, task)
  await task.finish(completed('seen'))
  const answer = await api.request(`/api/sessions/${session}`)
  expect(answer.status).toBe(200)
  expect(((await answer.json()) as { messages: object[] }).messages).toEqual([
    { role: 'user', content: 'look around', task_id: task.task_id },
  ])
  const history = await api.store.readLog(session, '0-0', 100)
  expect(foldTranscript(history, 'the next')).toEqual([{ role: 'user', content: 'look around' }])
})

test('records of a newer release with fields and words of their own are shown and listed', async () => {
  await using api = await startApi()
  const task = await runTask(api.store, newSession())
  await task.finish()
  const key = api.store.key('task', task.task_id)
  await api.redis.hset(key, { v: NEWER, hue: 'blue', stop_reason: 'bored', resume_reason: 'moved' })
  for (const path of [`/api/tasks/${task.task_id}`, '/api/tasks'])
    expect((await api.request(path)).status).toBe(200)
})

test('a worker leaves alone what a newer release has worked on, until a newer worker comes', async () => {
  const service = await startService()
  service.model.on({ userMessage: /task/ }, { content: 'done' })
  const newer = await service.submit({ task: 'a newer task' })
  const key = service.store.key('task', newer.task_id)
  await service.redis.hset(key, { v: NEWER, new_field: 'x' })
  await service.startWorker({ ALEX_WORKER_CONCURRENCY: '1' })
  for (let i = 0; i < 3; i++) {
    const { task_id } = await service.submit({ task: `an ordinary task ${i}` })
    expect(await service.ended(task_id)).toMatchObject({ status: 'completed' })
  }
  // Its ticket was taken from the queue, and is given out again.
  await eventually(
    async () => (await service.redis.exists(`${service.prefix}:tickets:${newer.task_id}.1`)) === 0,
  )
  expect(await service.store.get(newer.task_id)).toMatchObject({ status: 'pending', attempt: 0 })
  await service.redis.hset(key, 'v', OWN)
  expect(await service.ended(newer.task_id)).toMatchObject({ status: 'completed', attempts: 1 })
})
