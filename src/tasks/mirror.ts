/** Writes a session's mirror and costs, and reads the mirror back to see that it is whole. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { Usage } from '../schemas/usage.ts'
import { compareIds, LOG_START, type RawEntry } from './event-log.ts'
import { type Keeping, type KeptSession, mirrorStateOf, type SessionFields } from './keeping.ts'
import {
  type MirrorContent,
  type MirrorEvent,
  MirrorHead,
  MirrorUnreadable,
  mirrorText,
  readMirror,
} from './mirror-file.ts'
import { parseRecord, present } from './record.ts'
import type { SessionFolder } from './session-folder.ts'
import type { Store } from './store.ts'
import { usageOf } from './usage.ts'
import type { MirrorView } from './view.ts'

export interface MirrorDeps {
  store: Store
  folder: SessionFolder
  view: MirrorView
}

const EVENTS_A_READ = 200

/**
 * Writes what the session is; returns the state it was written of. `session` was read before the records are: a record
 * that changes later does so with an entry after its last id, so a session that still has that last id, and nothing
 * unfinished, is what the file says.
 */
export const writeMirror = async (
  deps: MirrorDeps,
  sessionId: string,
  session: KeptSession,
): Promise<string> => {
  const { store, folder, view } = deps
  const { todos, tasks: ids } = await store.keeping.contents(sessionId)
  const costs = new Map<string, Cost>()
  async function* tasks() {
    for await (const record of store.keeping.records(ids)) {
      const cost = costOf(record)
      costs.set(cost.task_id, cost)
      yield view.record(record)
    }
  }
  const content: MirrorContent = {
    head: headOf(sessionId, session, view, { task_count: ids.length, used: session.used }),
    todos: todos === null ? [] : view.payload(JSON.parse(todos)),
    tasks: tasks(),
    events: eventsOf(store.keeping, sessionId, session.last_id, view),
  }
  await folder.write(folder.mirror(sessionId), mirrorText(content))
  await writeCosts(folder, sessionId, costs, session.trimmed_to !== undefined)
  return mirrorStateOf(session)
}

/** Whether the file holds, whole and readable, what the session is now. */
export const verifyMirror = async (deps: MirrorDeps, sessionId: string, state: string): Promise<boolean> => {
  const { keeping } = deps.store
  let tasks = 0
  let events = 0
  let isOf = ''
  try {
    for await (const part of readMirror(deps.folder.mirror(sessionId))) {
      if (part.kind === 'head') isOf = mirrorStateOf(part.head)
      if (part.kind === 'task') tasks += 1
      if (part.kind === 'event') events += 1
    }
  } catch (error) {
    if (error instanceof MirrorUnreadable) return false
    throw error
  }
  return (
    isOf === state &&
    tasks === (await keeping.taskCount(sessionId)) &&
    events === (await keeping.entryCount(sessionId))
  )
}

const headOf = (
  sessionId: string,
  session: SessionFields,
  view: MirrorView,
  counted: Pick<MirrorHead, 'task_count' | 'used'>,
): MirrorHead =>
  MirrorHead.parse(
    present({
      v: 1,
      session_id: sessionId,
      title: view.text(session.title),
      created_at: new Date(session.created_at).toISOString(),
      updated_at: new Date(session.updated_at ?? session.created_at).toISOString(),
      last_id: session.last_id,
      trimmed_to: session.trimmed_to,
      forked: session.forked_from && present({ from: session.forked_from, to: session.forked_to }),
      ...counted,
    }),
  )

async function* eventsOf(
  keeping: Keeping,
  sessionId: string,
  to: string,
  view: MirrorView,
): AsyncGenerator<MirrorEvent[]> {
  let after = LOG_START
  while (compareIds(after, to) < 0) {
    const page = await keeping.rawPage(sessionId, after, to, EVENTS_A_READ)
    if (page.length === 0) return
    yield page.map((entry) => mirrorEventOf(entry, view))
    after = page.at(-1)?.id ?? to
  }
}

const mirrorEventOf = ({ at, data, ...entry }: RawEntry, view: MirrorView): MirrorEvent => ({
  id: entry.id,
  task: entry.task,
  seq: entry.seq,
  at: new Date(at).toISOString(),
  type: entry.type,
  data: Payload.parse(view.payload(JSON.parse(data))),
  ...(entry.parent === undefined ? {} : { parent: entry.parent }),
})
const Payload = z.record(z.string(), z.unknown())

const Cost = Usage.extend({
  task_id: z.string(),
  model: z.string(),
  created_at: z.string(),
})
type Cost = z.infer<typeof Cost>
const CostFile = z.object({ v: z.literal(1), session_id: z.string(), tasks: z.array(Cost) })

const costOf = (fields: Record<string, string>): Cost => {
  const record = parseRecord(Object.entries(fields).flat())
  if (!record) throw new Error('a task without a record')
  return {
    task_id: record.id,
    model: record.model,
    created_at: new Date(record.created_at).toISOString(),
    ...usageOf(record),
  }
}

/** What the file knows of tasks that are no longer in Redis, because they were trimmed, stays in it. */
const writeCosts = async (
  folder: SessionFolder,
  sessionId: string,
  now: ReadonlyMap<string, Cost>,
  trimmed: boolean,
) => {
  const file = folder.costs(sessionId)
  const before = trimmed ? await costsIn(file) : []
  const tasks = [...before.filter(({ task_id }) => !now.has(task_id)), ...now.values()]
  const lines = tasks.map((cost) => `\n${JSON.stringify(cost)}`).join(',')
  await folder.write(file, [`{"v":1,"session_id":${JSON.stringify(sessionId)},"tasks":[${lines}\n]}\n`], {
    // As long as every task is in Redis and in the mirror.
    replaceable: !trimmed,
  })
}

const costsIn = (file: string): Promise<Cost[]> =>
  readFile(file, 'utf8')
    .then((text) => CostFile.parse(JSON.parse(text)).tasks)
    .catch(() => [])
