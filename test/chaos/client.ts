/** The users of a run: they submit, repeat what was not answered, cancel and delete, and write down what they were told. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Cancel, Deletion, Submission } from './history.ts'
import { type PlannedTask, taskText } from './plan.ts'

interface Answer {
  status: number
  body: Record<string, unknown>
}

const PATIENCE_MS = 30_000
const AGAIN_MS = 150

export const createClient = (options: { urls: readonly string[]; ending: AbortSignal }) => {
  const { urls, ending } = options
  const submissions: Submission[] = []
  const cancels: Cancel[] = []
  const deletions: Deletion[] = []
  let turn = 0

  /** Status 0: the connection broke, so nobody knows. */
  const request = async (method: string, path: string, body?: object, headers = {}): Promise<Answer> => {
    turn += 1
    try {
      const response = await fetch(`${urls[turn % urls.length]}${path}`, {
        method,
        headers: { 'Content-Type': 'application/json', ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.any([ending, AbortSignal.timeout(PATIENCE_MS)]),
      })
      const text = await response.text()
      return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Answer['body']) }
    } catch {
      return { status: 0, body: {} }
    }
  }

  return {
    submissions,
    cancels,
    deletions,
    request,
    /** The task's id, or undefined when nobody can tell whether it was accepted (no key, connection broken). */
    async submit(task: PlannedTask): Promise<string | undefined> {
      const key = task.keyed ? `key-${task.marker}` : undefined
      const submission: Submission = {
        marker: task.marker,
        session_id: task.session_id,
        ...(key === undefined ? {} : { key }),
        tries: [],
        plan: task.plan,
      }
      submissions.push(submission)
      const body = { task: taskText(task.plan), session_id: task.session_id, max_iterations: 8 }
      while (!ending.aborted) {
        const sentAt = Date.now()
        const answer = await request(
          'POST',
          '/api/tasks',
          body,
          key === undefined ? {} : { 'Idempotency-Key': key },
        )
        const task_id = answer.body['task_id']
        submission.tries.push({
          sentAt,
          answeredAt: Date.now(),
          status: answer.status,
          ...(typeof task_id === 'string' ? { task_id } : {}),
        })
        if (typeof task_id === 'string') return task_id
        if (answer.status !== 0 && answer.status !== 503) return undefined
        if (key === undefined) return undefined
        await pause(AGAIN_MS)
      }
      return undefined
    },
    /** Asked until it was answered: a cancel is safe to repeat. */
    async cancel(task_id: string): Promise<void> {
      while (!ending.aborted) {
        const sentAt = Date.now()
        const { status } = await request('POST', `/api/tasks/${task_id}/cancel`)
        cancels.push({ task_id, sentAt, answeredAt: Date.now(), status })
        if (status !== 0 && status !== 503) return
        await pause(AGAIN_MS)
      }
    },
    async remove(session_id: string): Promise<void> {
      const deletion: Deletion = { session_id, sentAt: Date.now(), answeredAt: 0, status: 0 }
      deletions.push(deletion)
      while (!ending.aborted) {
        const { status } = await request('DELETE', `/api/sessions/${session_id}`)
        Object.assign(deletion, { answeredAt: Date.now(), status })
        if (status !== 0 && status !== 503) return
        await pause(AGAIN_MS)
      }
    },
  }
}
export type Client = ReturnType<typeof createClient>
