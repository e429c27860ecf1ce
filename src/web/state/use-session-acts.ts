import { useState } from 'react'
import type { SessionSummary } from '../../client/client.ts'
import { useClient } from '../access.tsx'
import { plural } from '../text/format.ts'
import type { Question } from '../ui/confirm.tsx'

/** What can be done with a session as a whole. */
export const useSessionActs = (then: { onForked: (id: string) => void; onDeleted: () => void }) => {
  const client = useClient()
  const [question, setQuestion] = useState<Question | null>(null)
  const [error, setError] = useState<Error>()
  const failed = (failure: unknown) =>
    setError(failure instanceof Error ? failure : new Error(String(failure)))

  return {
    question,
    error,
    close: () => setQuestion(null),
    fork(id: string) {
      setError(undefined)
      client.fork(id).then(({ session_id }) => then.onForked(session_id), failed)
    },
    askToDelete(session: Pick<SessionSummary, 'session_id' | 'title' | 'task_count'>) {
      setError(undefined)
      setQuestion({
        title: 'Delete this session?',
        text: `“${session.title || session.session_id}” and its ${plural(session.task_count, 'task')} are gone for good; what still runs is cancelled.`,
        does: 'Delete',
        act: () => {
          client.deleteSession(session.session_id).then(then.onDeleted, failed)
        },
      })
    },
  }
}
