/** Looks after sessions beside the work: once a second it takes the few whose time has come. */
import { setTimeout as pause } from 'node:timers/promises'
import { messageOf } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import type { Keeping, Look } from '../src/tasks/keeping.ts'

interface Options {
  keeping: Keeping
  keepSession: (look: Look) => Promise<void>
  log: Log
}

const LOOK_MS = 1000
const SESSIONS_A_LOOK = 5

export const startKeeper = ({ keeping, keepSession, log }: Options) => {
  const stopping = new AbortController()

  /** Returns whether there may be more to do at once. */
  const lookOnce = async (): Promise<boolean> => {
    const looks = await keeping.look(SESSIONS_A_LOOK)
    for (const look of looks) {
      if (stopping.signal.aborted) return false
      try {
        await keepSession(look)
      } catch (error) {
        log.warn(
          { err: messageOf(error), session_id: look.session_id },
          '[ServerCoordinator] session not looked after; another look follows',
        )
      }
    }
    return looks.length === SESSIONS_A_LOOK
  }

  const loop = async () => {
    while (!stopping.signal.aborted) {
      const more = await lookOnce().catch((error: unknown) => {
        log.debug({ err: messageOf(error) }, '[ServerCoordinator] keeper')
        return false
      })
      if (!more) await pause(LOOK_MS, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }
  const ended = loop()

  return {
    /** Takes no further session; resolves when the one at hand is done. */
    async stop(): Promise<void> {
      stopping.abort()
      await ended
    },
  }
}
