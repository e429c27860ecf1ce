import { z } from 'zod'
import { CostReport, SessionCost } from '../../schemas/cost.ts'
import {
  CostQuery,
  ForkSession,
  PageQuery,
  SessionCostQuery,
  SessionListQuery,
} from '../../schemas/request.ts'
import { Session, SessionDeleting, SessionForked, SessionSummary } from '../../schemas/session.ts'
import {
  EXAMPLE,
  idempotencyHeader,
  json,
  nextHeader,
  type Paths,
  pageHeaders,
  problems,
  replayHeaders,
  sessionIdPath,
} from './parts.ts'

const missing = { 404: '`session_not_found`' } as const
const csv = { 'text/csv': { schema: z.string() } }

const forked: SessionForked = {
  session_id: 'session-5b1f0d7e-62a1-4f4e-9c52-d6a5f6f7c001',
  forked_from: EXAMPLE.session,
  title: 'Explain what this repository does',
}

const sessions: Paths = {
  '/api/sessions': {
    get: {
      operationId: 'listSessions',
      tags: ['Sessions'],
      summary: 'List sessions, latest activity first',
      requestParams: {
        query: SessionListQuery.extend({ q: SessionListQuery.shape.q.meta({ example: 'repository' }) }),
      },
      responses: {
        200: json('A page', z.array(SessionSummary), { headers: pageHeaders }),
        ...problems(),
      },
    },
  },
  '/api/sessions/{id}': {
    get: {
      operationId: 'getSession',
      tags: ['Sessions'],
      summary: 'A session with its conversation and todos',
      description: 'Messages come oldest first, in pages.',
      requestParams: { path: sessionIdPath, query: PageQuery },
      responses: { 200: json('The session', Session, { headers: nextHeader }), ...problems(missing) },
    },
    delete: {
      operationId: 'deleteSession',
      tags: ['Sessions'],
      summary: 'Delete a session',
      description: 'Cancels its unfinished tasks. It is not found from the answer on.',
      requestParams: { path: sessionIdPath },
      responses: {
        204: { description: 'Nothing of it is left' },
        202: json('It goes as soon as its last task has let go', SessionDeleting),
        ...problems(missing),
      },
    },
  },
  '/api/sessions/{id}/fork': {
    post: {
      operationId: 'forkSession',
      tags: ['Sessions'],
      summary: 'A new session that goes on from this one’s transcript so far',
      requestParams: { path: sessionIdPath, header: idempotencyHeader },
      requestBody: {
        required: false,
        content: { 'application/json': { schema: ForkSession, example: {} } },
      },
      responses: {
        201: json('The new session', SessionForked, { example: forked, headers: replayHeaders }),
        200: json('What this `Idempotency-Key` was answered before', SessionForked, {
          headers: replayHeaders,
        }),
        ...problems({ ...missing, 409: '`idempotency_conflict`' }),
      },
    },
  },
}

const costs: Paths = {
  '/api/sessions/{id}/cost': {
    get: {
      operationId: 'sessionCost',
      tags: ['Costs'],
      summary: 'What a session used and cost, by model',
      requestParams: { path: sessionIdPath, query: SessionCostQuery },
      responses: {
        200: {
          description: 'As JSON or CSV',
          content: { 'application/json': { schema: SessionCost }, ...csv },
        },
        ...problems(missing),
      },
    },
  },
  '/api/costs': {
    get: {
      operationId: 'costs',
      tags: ['Costs'],
      summary: 'What was used and cost, by day, model or session',
      description: 'Over days of UTC, at most 400.',
      requestParams: {
        query: CostQuery.extend({
          from: CostQuery.shape.from.meta({ example: '2026-01-01' }),
          to: CostQuery.shape.to.meta({ example: '2026-01-31' }),
          group_by: CostQuery.shape.group_by.meta({ example: 'model' }),
        }),
      },
      responses: {
        200: {
          description: 'As JSON or CSV',
          headers: nextHeader,
          content: { 'application/json': { schema: CostReport }, ...csv },
        },
        ...problems(),
      },
    },
  },
}

export const sessionPaths: Paths = { ...sessions, ...costs }
