/** Which attempt of each task is at work, so that live pieces of an older one or of an ended task go no further. */
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { type Event, isTerminal } from '../schemas/event.ts'
import type { EphemeralFrame } from './feed.ts'
import type { Store } from './store.ts'

/** Belongs to one session, so that what is known of its tasks is forgotten with the session's last listener. */
export interface KnownAttempts {
  /** The newest attempt of each task, infinite for a task that has ended. */
  attempts?: Map<string, number>
}

const KEPT = 500

export const createAttempts = (store: Store, log: Log) => {
  const asked = new Set<string>()
  const note = (known: KnownAttempts, taskId: string, attempt: number) => {
    const attempts = (known.attempts ??= new Map())
    attempts.set(taskId, Math.max(attempt, attempts.get(taskId) ?? 0))
    if (attempts.size > KEPT) attempts.delete(attempts.keys().next().value ?? '')
  }
  const lookUp = async (known: KnownAttempts, taskId: string) => {
    if (asked.has(taskId)) return
    asked.add(taskId)
    try {
      const record = await store.get(taskId)
      const atWork = record && record.ended_at === undefined ? record.attempt : Number.POSITIVE_INFINITY
      note(known, taskId, atWork)
    } finally {
      asked.delete(taskId)
    }
  }
  return {
    see(known: KnownAttempts, event: Event) {
      if (event.event_type === 'task_started' || event.event_type === 'task_resumed')
        note(known, event.task_id, event.attempt)
      else if (isTerminal(event)) note(known, event.task_id, Number.POSITIVE_INFINITY)
    },
    /**
     * A task whose beginning nobody here has seen is looked up; its frames are dropped until that is done, as if
     * the listener had come then.
     */
    admits(known: KnownAttempts, frame: EphemeralFrame): boolean {
      const newest = known.attempts?.get(frame.task_id)
      if (newest !== undefined) return frame.attempt >= newest
      lookUp(known, frame.task_id).catch((error: unknown) =>
        log.debug({ err: messageOf(error) }, '[ServerCoordinator] look up an attempt'),
      )
      return false
    },
  }
}
