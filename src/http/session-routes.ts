import { Hono } from 'hono'
import { ForkSession, PageQuery, SessionListQuery } from '../schemas/request.ts'
import type { SessionDeleting } from '../schemas/session.ts'
import type { SessionService } from '../tasks/service.ts'
import { readBody } from './body.ts'
import { sessionIdOf } from './field-errors.ts'
import { idempotencyConflict, idempotencyKey } from './idempotency.ts'
import { linkNext } from './paging.ts'
import { sessionNotFound } from './problem.ts'
import { noQuery, queryReader } from './query.ts'
import type { ApiEnv } from './request-id.ts'

const listQuery = queryReader(SessionListQuery.shape)
const messagesQuery = queryReader(PageQuery.shape)

export const sessionRoutes = ({ sessions }: { sessions: SessionService }): Hono<ApiEnv> =>
  new Hono<ApiEnv>()
    .get('/api/sessions', async (c) => {
      const page = await sessions.list(listQuery(c))
      c.header('X-Total-Count', String(page.total))
      linkNext(c, page.next)
      return c.json(page.items)
    })
    .get('/api/sessions/:id', async (c) => {
      const query = messagesQuery(c)
      const id = sessionIdOf(c.req.param('id'))
      const found = await sessions.get(id, query)
      if (found === null) throw sessionNotFound(id)
      linkNext(c, found.next)
      return c.json(found.session)
    })
    .delete('/api/sessions/:id', async (c) => {
      noQuery(c)
      const id = sessionIdOf(c.req.param('id'))
      const outcome = await sessions.delete(id)
      if (outcome === 'not_found') throw sessionNotFound(id)
      if (outcome === 'purged') return c.body(null, 204)
      const deleting: SessionDeleting = {
        message: 'deleted as soon as its last task has let go',
        session_id: id,
      }
      return c.json(deleting, 202)
    })
    .post('/api/sessions/:id/fork', async (c) => {
      noQuery(c)
      const id = sessionIdOf(c.req.param('id'))
      const key = idempotencyKey(c)
      await readBody(c, ForkSession, { optional: true })
      const fork = await sessions.fork(id, key)
      if (fork.outcome === 'not_found') throw sessionNotFound(id)
      if (fork.outcome === 'idempotency_conflict') throw idempotencyConflict()
      c.header('Location', `/api/sessions/${fork.answer.session_id}`)
      if (fork.outcome === 'forked') return c.json(fork.answer, 201)
      c.header('Idempotent-Replayed', 'true')
      return c.json(fork.answer, 200)
    })
