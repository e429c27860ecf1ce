/** All that Redis holds under one prefix, read at once, and what must be true of it whatever was done. */
import { expect } from 'vitest'
import { isEnded, TASK_STATUSES, TaskStatus } from '../../src/schemas/task.ts'
import { fieldsOf } from '../../src/tasks/event-log.ts'
import type { OpenStore } from '../support/redis.ts'

type Hash = Record<string, string>
type Scores = Record<string, number>
interface Entry {
  id: string
  task: string
  seq: number
  type: string
  /** JSON. */
  data: string
}

export type State = Awaited<ReturnType<typeof readState>>

export const readState = async ({ store, redis }: OpenStore, taskIds: string[], sessionIds: string[]) => {
  const { key } = store
  const pipeline = redis.pipeline()
  for (const id of taskIds) pipeline.hgetall(key('task', id))
  const zsets = [
    ...TASK_STATUSES.map((status) => key('status', status)),
    key('due'),
    key('due:tickets'),
    key('ready'),
    key('sessions'),
    ...sessionIds.flatMap((id) => [key('session', id, 'line'), key('session', id, 'tasks')]),
  ]
  for (const name of zsets) pipeline.zrange(name, '0', '-1', 'WITHSCORES')
  for (const id of sessionIds) pipeline.hgetall(key('session', id))
  for (const id of sessionIds) pipeline.xrange(key('session', id, 'log'), '-', '+')
  pipeline.get(key('grace_until'))
  pipeline.hgetall(key('counts'))
  const replies = ((await pipeline.exec()) ?? []).map(([error, reply]) => {
    if (error) throw error
    return reply
  })
  const next = () => replies.shift()
  const tasks: Record<string, Hash> = {}
  for (const id of taskIds) {
    const hash = next() as Hash
    if (Object.keys(hash).length > 0) tasks[id] = hash
  }
  const scores = () => {
    const flat = fieldsOf(next() as string[])
    return Object.fromEntries(Object.entries(flat).map(([id, score]) => [id, Number(score)])) satisfies Scores
  }
  const status = Object.fromEntries(TASK_STATUSES.map((name) => [name, scores()]))
  const [due, dueTickets, ready, recent] = [scores(), scores(), scores(), scores()]
  const sets = sessionIds.map(() => ({ line: scores(), tasks: scores() }))
  const hashes = sessionIds.map(() => next() as Hash)
  const logs = sessionIds.map(() =>
    (next() as [string, string[]][]).map(([id, flat]): Entry => {
      const { task = '', seq, type = '', data = '' } = fieldsOf(flat)
      return { id, task, seq: Number(seq), type, data }
    }),
  )
  const sessions = Object.fromEntries(
    sessionIds.map((id, i) => [id, { hash: hashes[i] ?? {}, log: logs[i] ?? [], ...sets[i] }]),
  )
  const grace = Number(next())
  return { tasks, status, due, dueTickets, ready, recent, sessions, grace, counts: next() as Hash }
}

export const logOf = (state: State, task: string): Entry[] =>
  Object.values(state.sessions).flatMap(({ log }) => log.filter((entry) => entry.task === task))

const TERMINAL = new Set(['task_complete', 'task_failed', 'task_cancelled'])

/** A task waits exactly as long as one of its children has not ended, and lets as many run as it may. */
const checkFamily = (tasks: Record<string, Hash>, id: string): void => {
  const parent = tasks[id]
  const open = (parent?.['children']?.split(' ') ?? [])
    .map((child) => tasks[child] ?? {})
    .filter(({ status = 'failed' }) => !isEnded(TaskStatus.parse(status)))
  expect(parent?.['status'] === 'waiting', `${id} waits`).toBe(open.length > 0)
  const begun = open.filter((child) => child['ticket'] !== undefined).length
  const stops = parent?.['cancel'] !== undefined || Number(parent?.['deadline']) < 1e9
  const most = Math.min(open.length, Number(parent?.['child_limit'] ?? 0))
  expect(begun, `children of ${id} that may run`).toSatisfy((n: number) => n === most || (stops && n < most))
}

/** What was made has ended or is there: once each, whoever made or ended it. */
const checkCounts = ({ counts, status }: State): void => {
  const sum = (metric: string) =>
    Object.entries(counts).reduce(
      (total, [name, n]) => (name.startsWith(`${metric} `) ? total + Number(n) : total),
      0,
    )
  const unfinished = TASK_STATUSES.filter((name) => !isEnded(name)).flatMap((name) =>
    Object.keys(status[name] ?? {}),
  )
  expect(sum('created') - sum('finished'), 'tasks made and not ended').toBe(unfinished.length)
}

/** What the indexes, records and logs must say of each other. */
export const checkInvariants = (state: State): void => {
  const { tasks, due, dueTickets } = state
  for (const [id, record] of Object.entries(tasks)) {
    const status = TaskStatus.parse(record['status'])
    const log = logOf(state, id)
    const session = state.sessions[record['session_id'] ?? '']
    const line = Object.keys(session?.line ?? {})
    const has = {
      indexed: TASK_STATUSES.filter((name) => id in (state.status[name] ?? {})),
      ofSession: id in (session?.tasks ?? {}),
      seqs: log.map(({ seq }) => seq),
      seq: Number(record['seq']),
      terminals: log.filter(({ type }) => TERMINAL.has(type)).map(({ id: at }) => at),
      due: id in due,
      ticketDue: id in dueTickets,
      place: line.indexOf(id),
      holder: status === 'running' && record['activation'] !== '',
    }
    const last = log.at(-1)
    const isChild = record['parent_task_id'] !== undefined
    checkFamily(tasks, id)
    const looked = { due: has.due, ticketDue: has.ticketDue }
    expect(has, `of ${id}`).toMatchObject({
      indexed: [status],
      ofSession: true,
      seqs: log.map((_, i) => i + 1),
      seq: log.length,
      terminals: isEnded(status) ? [last?.id] : [],
      holder: status === 'running',
    })
    if (isEnded(status)) {
      expect({ end: record['end_id'], ...looked, place: has.place }, `of ${id}`).toEqual({
        end: last?.id,
        due: false,
        ticketDue: false,
        place: -1,
      })
      if (record['cancel'] !== undefined) expect(status, `of ${id}`).toBe('cancelled')
      const left = { error: 'error' in record, answer: 'answer' in record }
      const told = JSON.parse(last?.data ?? '{}') as object
      expect(left, `of ${id}`).toEqual({
        error: status === 'failed',
        answer: 'final_answer' in told || 'partial_answer' in told,
      })
    } else if (status === 'waiting') {
      const isOverdue = Number(record['deadline']) < 1e9
      expect({ ...looked, place: has.place }, `of ${id}`).toEqual({
        due: isOverdue ? has.due : true,
        ticketDue: false,
        place: 0,
      })
      expect(record['activation'], `of ${id}`).toBe('')
    } else if (status === 'running') {
      const place = isChild ? -1 : 0
      expect({ ...looked, place: has.place }, `of ${id}`).toEqual({ due: true, ticketDue: false, place })
      expect(due[id], `of ${id}`).toBeLessThanOrEqual(Math.max(Number(record['lease_until']), state.grace))
    } else {
      expect(record['activation'] ?? '', `of ${id}`).toBe('')
      const heldBack = record['not_before'] !== undefined
      const isHeld = isChild && record['ticket'] === undefined
      const place = isChild ? 0 : has.place
      const kind = isHeld
        ? 'held'
        : place < 0
          ? 'scheduled'
          : place > 0
            ? 'behind'
            : heldBack
              ? 'back'
              : 'runnable'
      expect({ ...looked, kind }, `of ${id}`).toEqual({
        kind,
        due: kind === 'scheduled' || kind === 'back' || (record['deadline'] !== undefined && kind !== 'held'),
        ticketDue: kind === 'runnable',
      })
      if (kind === 'runnable') expect(Number(record['ticket']), `of ${id}`).toBeGreaterThan(0)
    }
  }
  const known = Object.keys(tasks)
  for (const [id, { hash, log, line, tasks: all }] of Object.entries(state.sessions)) {
    const exists = hash['created_at'] !== undefined
    const deleted = hash['deleted'] !== undefined
    expect(hash['last_id'], `of ${id}`).toBe(log.at(-1)?.id)
    expect(id in state.recent, `of ${id}`).toBe(exists && !deleted)
    expect(`session:${id}` in due, `of ${id}`).toBe(deleted)
    expect([...Object.keys(line ?? {}), ...Object.keys(all ?? {})], `of ${id}`).toSatisfy((ids: string[]) =>
      ids.every((one) => known.includes(one)),
    )
  }
  expect(Object.keys(state.ready).toSorted(), 'ready').toEqual(Object.keys(dueTickets).toSorted())
  checkCounts(state)
  const indexed = [...Object.values(state.status), due, dueTickets].flatMap(Object.keys)
  expect(indexed.filter((id) => !id.startsWith('session:') && !known.includes(id))).toEqual([])
}
