/** One look at a session: whatever keeping it asks for now. */
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { type Look, mirrorStateOf } from './keeping.ts'
import { type MirrorDeps, writeMirror } from './mirror.ts'
import { isOfFiles } from './session-folder.ts'

export interface KeepOptions extends MirrorDeps {
  retentionMs: number
  /** Entries a session's log may have. */
  maxEntries?: number
  log: Log
}

/** A mirror of a session that never rests may take this part of the time at most. */
const REST_PER_WORK = 10
const REST_MAX_MS = 60_000
const RETRY_MS = 10_000
const MAX_ENTRIES = 10_000

/** Throws `RedisUnavailable` only; what the file system refuses is logged once per outage and tried again. */
export const createKeepSession = (options: KeepOptions) => {
  const { store, folder, retentionMs, maxEntries = MAX_ENTRIES, log } = options
  let failing = false

  const mirror = async (sessionId: string): Promise<{ state: string; marker: string } | null> => {
    const marker = await folder.marker()
    const session = await store.keeping.session(sessionId)
    if (!session || (session.mirrored === mirrorStateOf(session) && session.mirrored_in === marker))
      return null
    const state = await writeMirror(options, sessionId)
    return state === null ? null : { state, marker }
  }

  return async (look: Look): Promise<void> => {
    const began = performance.now()
    await store.keeping.trim(look.session_id, { entries: maxEntries, retentionMs })
    let mirrored: Awaited<ReturnType<typeof mirror>>
    try {
      mirrored = await mirror(look.session_id)
    } catch (error) {
      if (!isOfFiles(error)) throw error
      if (!failing)
        log.warn(
          { err: messageOf(error), session_id: look.session_id },
          '[ServerCoordinator] sessions cannot be mirrored; tried again until it works',
        )
      failing = true
      await store.keeping.kept(look, { retentionMs, againMs: RETRY_MS })
      return
    }
    if (mirrored && failing) {
      log.info({}, '[ServerCoordinator] sessions are mirrored again')
      failing = false
    }
    const pauseMs = mirrored ? Math.min(REST_MAX_MS, (performance.now() - began) * REST_PER_WORK) : 0
    const kept = await store.keeping.kept(look, { ...(mirrored ? { mirrored } : {}), retentionMs, pauseMs })
    // Deleted while it was written: nobody else knows of these files.
    if (kept === 'gone' && mirrored) await folder.remove(look.session_id)
  }
}
