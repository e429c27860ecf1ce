/** Looks after sessions beside the work: told by a beat that some wait, it takes a few at a time until none does. */
import { setTimeout as pause } from 'node:timers/promises'
import { messageOf } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import type { Archive } from '../src/tasks/archive.ts'
import type { Keeping, Look } from '../src/tasks/keeping.ts'

interface Options {
  keeping: Keeping
  archive: Archive
  keepSession: (look: Look) => Promise<void>
  log: Log
}

const SESSIONS_A_LOOK = 5
/** Between looks of a busy worker: files of what has ended can wait for what has not, but not for ever. */
const BUSY_MS = 100
/** Part of the time in which its event loop had work to do. */
const BUSY = 0.5

export const startKeeper = ({ keeping, archive, keepSession, log }: Options) => {
  const stopping = new AbortController()

  const lookAfter = async (look: Look): Promise<void> => {
    try {
      await keepSession(look)
    } catch (error) {
      log.warn(
        { err: messageOf(error), session_id: look.session_id },
        '[ServerCoordinator] session not looked after; another look follows',
      )
    }
  }

  /** Returns whether there may be more to do at once. */
  const lookOnce = async (): Promise<boolean> => {
    const looks = await keeping.look(SESSIONS_A_LOOK)
    // Together: each mostly waits for a disk.
    await Promise.all(looks.map(lookAfter))
    return looks.length === SESSIONS_A_LOOK
  }

  let measured = performance.eventLoopUtilization()
  const isBusy = () => {
    const before = measured
    measured = performance.eventLoopUtilization()
    return performance.eventLoopUtilization(measured, before).utilization > BUSY
  }

  let told = Promise.withResolvers<void>()
  const loop = async () => {
    while (!stopping.signal.aborted) {
      told = Promise.withResolvers()
      const more = await lookOnce().catch((error: unknown) => {
        log.debug({ err: messageOf(error) }, '[ServerCoordinator] keeper')
        return false
      })
      if (!more) await told.promise
      else if (isBusy()) await pause(BUSY_MS, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }
  const warn = (what: string) => (error: unknown) =>
    log.warn({ err: messageOf(error) }, `[ServerCoordinator] ${what}`)
  const finding = archive.findAll(stopping.signal).catch(warn('sessions in files not looked for'))
  const ended = loop()
  const purging = new Set<string>()

  return {
    /** Some session waits. Beats say so until none does. */
    look: () => told.resolve(),

    /** Removes deleted sessions, in the background. */
    purge(sessionIds: readonly string[]) {
      for (const id of sessionIds) {
        if (purging.has(id)) continue
        purging.add(id)
        archive
          .purge(id)
          .catch(warn('deleted session not removed yet'))
          .finally(() => purging.delete(id))
      }
    },

    /** Takes no further session; resolves when those at hand are done. */
    async stop(): Promise<void> {
      stopping.abort()
      told.resolve()
      await Promise.all([ended, finding])
    },
  }
}
