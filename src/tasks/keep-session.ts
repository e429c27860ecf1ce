/**
 * One look at a session, in this order: forget it (somebody removed its file), trim it, mirror it, evict it.
 * Nothing leaves Redis as a whole before a file of it was read back.
 */
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Archive } from './archive.ts'
import { type KeptSession, type Look, mirrorStateOf } from './keeping.ts'
import { type MirrorDeps, verifyMirror, writeMirror } from './mirror.ts'
import { isOfFiles } from './session-folder.ts'

export interface KeepOptions extends MirrorDeps {
  archive: Archive
  retentionMs: number
  /** Entries a session's log may have. */
  maxEntries?: number
  log: Log
}

interface Mirrored {
  state: string
  marker: string
  /** Written with this look. */
  fresh: boolean
}

/** A mirror of a session that never rests may take this part of the time at most. */
const REST_PER_WORK = 10
const REST_MAX_MS = 60_000
const RETRY_MS = 10_000
const HOUR_MS = 3_600_000
const MAX_ENTRIES = 10_000

/** Throws `RedisUnavailable` only; what the file system refuses is logged once per outage and tried again. */
export const createKeepSession = (options: KeepOptions) => {
  const { store, folder, archive, retentionMs, maxEntries = MAX_ENTRIES, log } = options
  const { keeping } = store
  let failing = false
  let shared = true

  const mirror = async (sessionId: string, session: KeptSession): Promise<Mirrored> => {
    const marker = await folder.marker()
    const known = mirrorStateOf(session)
    if (session.mirrored === known && session.mirrored_in === marker)
      return { state: known, marker, fresh: false }
    return { state: await writeMirror(options, sessionId, session), marker, fresh: true }
  }

  /** The session as it is when what is too much or too old is gone. */
  const trimmed = async (sessionId: string, session: KeptSession): Promise<KeptSession | null> => {
    const { now, created_at, entries } = session
    if (entries <= maxEntries && now - created_at < retentionMs) return session
    await keeping.trim(sessionId, { entries: maxEntries, retentionMs })
    return keeping.session(sessionId)
  }

  const isIdle = ({ now, updated_at, created_at, restored_at = 0 }: KeptSession) =>
    now - Math.max(updated_at ?? created_at, restored_at) >= retentionMs

  /** Returns when to look again, in ms. */
  const evict = async (look: Look, session: KeptSession, mirrored: Mirrored): Promise<number> => {
    const { session_id } = look
    const of = { ...mirrored, retentionMs }
    let outcome = await keeping.mayEvict(look, of)
    if (outcome === 'may') {
      if (!(await verifyMirror(options, session_id, mirrored.state))) {
        log.warn({ session_id }, '[ServerCoordinator] mirror not as it was written; written again')
        await writeMirror(options, session_id, session)
        return RETRY_MS
      }
      outcome = await keeping.evict(look, of)
    }
    log.debug({ session_id, outcome }, '[ServerCoordinator] eviction')
    if (outcome === 'not_shared' && shared)
      log.info(
        {},
        '[ServerCoordinator] sessions stay in Redis: not every live process sees the same session_dir',
      )
    shared = outcome !== 'not_shared'
    // The end of an unfinished task calls for a look by itself.
    return outcome === 'evicted' || outcome === 'unfinished' ? HOUR_MS : RETRY_MS
  }

  /** What is to be told of the look; null when there is no session left. */
  const lookAfter = async (look: Look) => {
    const session = await keeping.session(look.session_id)
    if (!session || (await archive.forgetIfRemoved(look.session_id, session))) return null
    if (session.evicted !== undefined) return { mirrored: null, againMs: undefined }
    const began = performance.now()
    const kept = await trimmed(look.session_id, session)
    if (!kept) return null
    const mirrored = await mirror(look.session_id, kept)
    const pauseMs = mirrored.fresh ? Math.min(REST_MAX_MS, (performance.now() - began) * REST_PER_WORK) : 0
    const againMs = isIdle(session) ? await evict(look, kept, mirrored) : undefined
    return { mirrored, pauseMs, againMs }
  }

  return async (look: Look): Promise<void> => {
    let seen: Awaited<ReturnType<typeof lookAfter>>
    try {
      seen = await lookAfter(look)
    } catch (error) {
      if (!isOfFiles(error)) throw error
      if (!failing)
        log.warn(
          { err: messageOf(error), session_id: look.session_id },
          '[ServerCoordinator] sessions cannot be mirrored; tried again until it works',
        )
      failing = true
      await keeping.kept(look, { retentionMs, againMs: RETRY_MS })
      return
    }
    if (seen === null) return
    if (seen.mirrored?.fresh && failing) {
      log.info({}, '[ServerCoordinator] sessions are mirrored again')
      failing = false
    }
    const { mirrored, ...when } = seen
    const kept = await keeping.kept(look, { mirrored, ...when, retentionMs })
    // Deleted while it was written: nobody else knows of these files.
    if (kept === 'gone' && mirrored?.fresh) await folder.remove(look.session_id)
  }
}
