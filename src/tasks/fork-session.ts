import { createHash, randomUUID } from 'node:crypto'
import { SessionForked } from '../schemas/session.ts'
import type { Archive } from './archive.ts'
import type { ForkOutcome } from './service.ts'
import type { Store } from './store.ts'

interface Deps {
  store: Store
  archive: Archive
  redact: (text: string) => string
}

const TRIES = 3

/** A session that only its file has is restored first. */
export const forkSession = async (
  { store, archive, redact }: Deps,
  sessionId: string,
  idempotencyKey?: string,
): Promise<ForkOutcome> => {
  const newId = `session-${randomUUID()}`
  const idempotency =
    idempotencyKey === undefined
      ? undefined
      : { key: digest(idempotencyKey), hash: digest(`fork ${sessionId}`) }
  for (let tries = 0; tries < TRIES; tries += 1) {
    const { verdict, value } = await store.keeping.fork(sessionId, newId, idempotency)
    switch (verdict) {
      case 'forked':
        return {
          outcome: 'forked',
          answer: { session_id: newId, forked_from: sessionId, title: redact(value) },
        }
      case 'replayed': {
        const answer = SessionForked.parse(JSON.parse(value))
        return { outcome: 'replayed', answer: { ...answer, title: redact(answer.title) } }
      }
      case 'conflict':
        return { outcome: 'idempotency_conflict' }
      case 'not_found':
      case 'not_here':
        if (!(await archive.ready(sessionId))) return { outcome: 'not_found' }
    }
  }
  throw new Error(`the session ${sessionId} is evicted as often as it is restored`)
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex')
