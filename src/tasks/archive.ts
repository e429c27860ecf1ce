/** Sessions that are in their files only: restored when used, found when Redis has lost them, forgotten with them. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { messageOf, SessionNotRestorable } from '../errors.ts'
import type { Log } from '../log.ts'
import { eventOf, isMisshapen, type RawEntry } from './event-log.ts'
import { mirrorStateOf, type SessionFields } from './keeping.ts'
import { type MirrorHead, MirrorUnreadable, readMirror, readMirrorHead } from './mirror-file.ts'
import { present, TaskRecord } from './record.ts'
import type { SessionFolder } from './session-folder.ts'
import type { Store } from './store.ts'

export interface Archive {
  /**
   * Brings the session back when only its file has it. Whether there is such a session.
   * Throws `SessionNotRestorable` and `RedisUnavailable`.
   */
  ready: (sessionId: string) => Promise<boolean>
  /** Makes a stub of a session that only its file knows of. Whether it did. Throws as `ready`. */
  find: (sessionId: string) => Promise<boolean>
  /** Forgets a session that rests since it was mirrored in this very folder, and whose file somebody removed. */
  forgetIfRemoved: (sessionId: string, session: SessionFields) => Promise<boolean>
  /**
   * Removes a deleted session, its files first, so that it is not found again. `elsewhere`: they are in a folder
   * that another live process sees, which does it. `busy`: a task has not let go yet.
   */
  purge: (sessionId: string) => Promise<'purged' | 'busy' | 'elsewhere'>
  /** Makes stubs of all sessions that only have a file. */
  findAll: (signal: AbortSignal) => Promise<void>
}

const STAGE_ENTRIES = 200
const STAGE_BYTES = 1024 * 1024
const LOOK_UP = 100
const TRIES = 3

export const createArchive = (options: { store: Store; folder: SessionFolder; log: Log }): Archive => {
  const { store, folder, log } = options
  const { keeping } = store

  const notRestorable = (sessionId: string, why: string): SessionNotRestorable => {
    log.error({ session_id: sessionId, err: why }, '[ServerCoordinator] session not restorable')
    return new SessionNotRestorable(sessionId, { cause: why })
  }

  const readable = async <T>(sessionId: string, read: () => Promise<T>): Promise<T> => {
    try {
      return await read()
    } catch (error) {
      if (error instanceof MirrorUnreadable || error instanceof z.ZodError)
        throw notRestorable(sessionId, messageOf(error))
      throw error
    }
  }

  /** Reads the file and lays it aside in Redis, part by part; what nobody could read afterwards is refused. */
  const stage = async (sessionId: string, token: string) => {
    let head: MirrorHead | undefined
    let todos = ''
    const count = { tasks: 0, entries: 0 }
    let tasks: Record<string, string>[] = []
    let entries: RawEntry[] = []
    let bytes = 0
    const flush = async () => {
      await keeping.stage(token, tasks, entries)
      count.tasks += tasks.length
      count.entries += entries.length
      tasks = []
      entries = []
      bytes = 0
    }
    for await (const part of readMirror(folder.mirror(sessionId))) {
      if (part.kind === 'head') head = part.head
      if (part.kind === 'todos' && part.todos.length > 0) todos = JSON.stringify(part.todos)
      if (part.kind === 'task') {
        TaskRecord.parse(part.task)
        tasks.push(part.task)
        bytes += JSON.stringify(part.task).length
      }
      if (part.kind === 'event') {
        const { at, data, ...place } = part.event
        const entry = { ...place, at: Date.parse(at), data: JSON.stringify(data) }
        if (isMisshapen(eventOf(sessionId, entry)))
          throw new MirrorUnreadable(`${entry.id} is no ${entry.type}`)
        entries.push(entry)
        bytes += entry.data.length
      }
      if (tasks.length + entries.length >= STAGE_ENTRIES || bytes >= STAGE_BYTES) await flush()
    }
    await flush()
    if (head?.session_id !== sessionId) throw new MirrorUnreadable(`it is the session ${head?.session_id}`)
    return { ...count, todos, last_id: head.last_id, trimmed_to: head.trimmed_to }
  }

  const restore = async (sessionId: string, session: SessionFields) => {
    if (await archive.forgetIfRemoved(sessionId, session)) return 'gone'
    const token = randomUUID()
    const staged = await readable(sessionId, () => stage(sessionId, token))
    const outcome = await keeping.restore(sessionId, token, staged)
    if (outcome === 'restored') log.info({ session_id: sessionId }, '[ServerCoordinator] session restored')
    return outcome
  }

  const find = async (sessionId: string): Promise<boolean> => {
    if (!(await folder.exists(folder.mirror(sessionId)))) return false
    const head = await readable(sessionId, () => readMirrorHead(folder.mirror(sessionId)))
    if (head.session_id !== sessionId) throw notRestorable(sessionId, `it is the session ${head.session_id}`)
    return keeping.importStub(sessionId, stubOf(head, await folder.readMarker()), Date.parse(head.updated_at))
  }

  const makeReady = async (sessionId: string): Promise<boolean> => {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const session = await keeping.session(sessionId)
      if (session && session.evicted === undefined) return true
      if (!session) {
        if (!(await find(sessionId))) return false
        continue
      }
      const outcome = await restore(sessionId, session)
      if (outcome === 'gone') return false
      if (outcome !== 'incomplete') return true
    }
    throw notRestorable(sessionId, `not restored in ${TRIES} tries`)
  }

  const under = new Map<string, Promise<boolean>>()
  const archive: Archive = {
    find,

    ready(sessionId) {
      const already = under.get(sessionId)
      if (already) return already
      const making = makeReady(sessionId).finally(() => under.delete(sessionId))
      under.set(sessionId, making)
      return making
    },

    async forgetIfRemoved(sessionId, session) {
      const { mirrored, mirrored_in } = session
      if (mirrored !== mirrorStateOf(session) || mirrored_in === undefined) return false
      if (await folder.exists(folder.mirror(sessionId))) return false
      // Read again: an emptied or replaced folder has another marker, or none.
      if ((await folder.readMarker()) !== mirrored_in) return false
      if (!(await keeping.deleteUnused(sessionId, session.last_id, 'its file was removed'))) return false
      log.info({ session_id: sessionId }, '[ServerCoordinator] session forgotten: its file was removed')
      await archive.purge(sessionId)
      return true
    },

    async purge(sessionId) {
      const deletion = await keeping.deletion(sessionId)
      if (deletion) {
        const { mirroredIn } = deletion
        const isHere = mirroredIn === null || mirroredIn === (await folder.readMarker())
        if (!isHere && (await keeping.isSeen(mirroredIn))) return 'elsewhere'
        // Not those of a session that was made anew under this id.
        await folder.remove(sessionId)
      }
      for (;;) {
        const state = await store.purgeSession(sessionId)
        if (state === 'busy') return 'busy'
        if (state !== 'more') return 'purged'
      }
    },

    async findAll(signal) {
      let found = 0
      const look = async (ids: readonly string[]) => {
        for (const id of await keeping.unknown(ids)) {
          const isNew = await find(id).catch((error: unknown) => {
            if (error instanceof SessionNotRestorable) return false
            throw error
          })
          if (isNew) found += 1
        }
      }
      let batch: string[] = []
      for await (const id of folder.sessions()) {
        if (signal.aborted) return
        batch.push(id)
        if (batch.length < LOOK_UP) continue
        await look(batch)
        batch = []
      }
      if (batch.length > 0) await look(batch)
      if (found > 0) log.info({ found }, '[ServerCoordinator] found sessions that only their files knew of')
    },
  }
  return archive
}

const stubOf = (head: MirrorHead, marker: string | null): Record<string, string> =>
  Strings.parse(
    present({
      title: head.title,
      created_at: String(Date.parse(head.created_at)),
      last_id: head.last_id,
      trimmed_to: head.trimmed_to,
      forked_from: head.forked?.from,
      forked_to: head.forked?.to,
      task_count: String(head.task_count),
      ...head.used,
      mirrored: mirrorStateOf(head),
      mirrored_in: marker ?? undefined,
    }),
  )
const Strings = z.record(z.string(), z.string())
