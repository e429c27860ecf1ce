/**
 * Fills a store with finished tasks as fast as the product itself can write them: as copies of one that was run,
 * put back session by session, the way sessions come back from their mirrors.
 */
import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import type { RawEntry } from '../src/tasks/event-log.ts'
import { createStore, LEASE_MS, type Store } from '../src/tasks/store.ts'
import type { Place } from './place.ts'
import { startService } from './service.ts'

const OF_A_SESSION = 100
const AT_A_TIME = 20
const SESSIONS_AT_ONCE = 6
const TASK_APART_MS = 1000
const SPAN_MS = 5 * 86_400_000

export interface Template {
  record: Record<string, string>
  entries: RawEntry[]
}

const storeOf = (place: Place, prefix: string) => {
  const redis = new Redis(place.socket)
  return {
    store: createStore({ redis, prefix, leaseMs: LEASE_MS }),
    [Symbol.dispose]: () => redis.disconnect(),
  }
}

/** A finished task as it stands in Redis, run by a service that is gone then. */
export const makeTemplate = async (place: Place): Promise<Template> => {
  await using service = await startService(place, { workers: 1, slots: 1 })
  using opened = storeOf(place, service.prefix)
  const { keeping } = opened.store
  const { task_id, session_id } = await service.client.submit()
  await service.client.get(`/api/tasks/${task_id}?wait_s=10`)
  const [record] = await Array.fromAsync(keeping.records((await keeping.contents(session_id)).tasks))
  const entries = await keeping.rawPage(session_id, '0-0', '+', 1000)
  if (record?.['status'] !== 'completed') throw new Error('the task did not complete')
  return { record, entries }
}

const copyOf = ({ record, entries }: Template, session_id: string, at: number, before: string) => {
  const id = `task-${randomUUID()}`
  const madeAt = Number(record['created_at'])
  const moved = (value: string) => (/^\d{13}$/.test(value) ? String(Number(value) - madeAt + at) : value)
  const fields = Object.fromEntries(Object.entries(record).map(([name, value]) => [name, moved(value)]))
  const log = entries.map((entry, i) => ({
    ...entry,
    id: `${at}-${i}`,
    task: id,
    at: entry.at - madeAt + at,
  }))
  const end_id = log.at(-1)?.id ?? before
  return { record: { ...fields, id, session_id, log_from: before, end_id }, log, end_id }
}

const putSession = async (store: Store, template: Template, number: number, from: number) => {
  const session_id = `seeded-${number}`
  const token = randomUUID()
  let last = '0-0'
  let entries = 0
  for (let done = 0; done < OF_A_SESSION; done += AT_A_TIME) {
    const copies = Array.from({ length: AT_A_TIME }, (_, i) => {
      const copy = copyOf(template, session_id, from + (done + i) * TASK_APART_MS, last)
      last = copy.end_id
      return copy
    })
    const log = copies.flatMap((copy) => copy.log)
    entries += log.length
    await store.keeping.stage(
      token,
      copies.map(({ record }) => record),
      log,
    )
  }
  const title = `seeded session ${number}`
  const stub = { title, created_at: String(from), last_id: last, task_count: String(OF_A_SESSION) }
  await store.keeping.importStub(session_id, stub, from + OF_A_SESSION * TASK_APART_MS)
  const of = { tasks: OF_A_SESSION, entries, todos: '', last_id: last }
  const outcome = await store.keeping.restore(session_id, token, of)
  if (outcome !== 'restored') throw new Error(`${session_id}: ${outcome}`)
}

/** `tasks`: a multiple of 100. They ended within the last five days. */
export const seedTasks = async (
  place: Place,
  { prefix, template, tasks }: { prefix: string; template: Template; tasks: number },
): Promise<void> => {
  using opened = storeOf(place, prefix)
  const sessions = tasks / OF_A_SESSION
  const first = Date.now() - SPAN_MS
  const room = SPAN_MS - 2 * OF_A_SESSION * TASK_APART_MS
  let next = 0
  const put = async () => {
    while (next < sessions) {
      const number = next
      next += 1
      const from = first + Math.floor((room * number) / sessions)
      await putSession(opened.store, template, number, from)
    }
  }
  await Promise.all(Array.from({ length: SESSIONS_AT_ONCE }, put))
}
