import type { Task, TaskStatus } from '../schemas/task.ts'
import { AlexError } from './error.ts'
import type { Http } from './http.ts'
import { backOff, pause } from './retry.ts'

/** Below what proxies take for a dead connection. */
const WAIT_S = 25

const HAS_ENDED: Readonly<Record<TaskStatus, boolean>> = {
  pending: false,
  running: false,
  waiting: false,
  completed: true,
  failed: true,
  cancelled: true,
}

/** Asks until the task has ended; throws what is not transient, and the signal's reason. */
export const waitForTask = async (
  http: Http,
  taskId: string,
  signal: AbortSignal | undefined,
): Promise<Task> => {
  const path = `/api/tasks/${encodeURIComponent(taskId)}`
  let failures = 0
  for (;;) {
    try {
      const task = await http.json<Task>(path, { query: { wait_s: WAIT_S }, signal, retries: 0 })
      if (HAS_ENDED[task.status]) return task
      failures = 0
      // An API that is leaving answers at once.
      await pause(backOff(1, null), signal)
    } catch (error) {
      if (!(error instanceof AlexError) || !error.isTransient) throw error
      failures += 1
      await pause(backOff(failures, error), signal)
    }
  }
}
