/**
 * The API as functions. Works in browsers and Node, over `fetch` alone.
 *
 * Every method throws `AlexError` for an answer that is no success, and the signal's reason when it aborts.
 * What may be sent twice is sent again when nobody answers; a new task's `Idempotency-Key` sees to it that it
 * is made once.
 */
import type { z } from 'zod'
import type { CostReport, SessionCost } from '../schemas/cost.ts'
import type { Health, WorkerInfo } from '../schemas/health.ts'
import type { Presets } from '../schemas/preset.ts'
import type {
  CancelTasks,
  CostQuery,
  PageQuery,
  SessionListQuery,
  TaskListQuery,
  TaskQuery,
} from '../schemas/request.ts'
import type { Session, SessionDeleting, SessionForked, SessionSummary } from '../schemas/session.ts'
import type {
  CreateTask,
  Task,
  TaskCancelled,
  TaskCreated,
  TaskStats,
  TaskSummary,
  TasksCancelled,
} from '../schemas/task.ts'
import { AlexError } from './error.ts'
import { type EventsOptions, followEvents, type StreamEvent } from './events.ts'
import { answerOf, type ClientOptions, createHttp, type Http } from './http.ts'
import { nextCursor, type Page, pageOf } from './pages.ts'
import { waitForTask } from './wait.ts'

export type { DurableEvent, LiveFrame } from '../schemas/stream.ts'
export type { Connection } from './events.ts'
export type {
  CancelTasks,
  ClientOptions,
  CostReport,
  CreateTask,
  EventsOptions,
  Health,
  Page,
  Presets,
  Session,
  SessionCost,
  SessionDeleting,
  SessionForked,
  SessionSummary,
  StreamEvent,
  Task,
  TaskCancelled,
  TaskCreated,
  TaskStats,
  TaskSummary,
  TasksCancelled,
  WorkerInfo,
}
export { AlexError }

/** As the server reads them; whatever is absent has the server's default. */
export type PageOptions = Partial<z.output<typeof PageQuery>>
export type TaskFilter = Partial<z.output<typeof TaskListQuery>>
export type SessionFilter = Partial<z.output<typeof SessionListQuery>>
export type CostFilter = Omit<Partial<z.output<typeof CostQuery>>, 'format'>

/** In place of a whole answer: a page of it, and the cursor of the next. */
type Paged<Answer> = Answer & { next?: string }

interface Signal {
  signal?: AbortSignal | undefined
}
interface Keyed extends Signal {
  /** What makes a repeated request the same one. Default: random, for this call. */
  idempotencyKey?: string | undefined
}

export type AlexClient = ReturnType<typeof createClient>

export const createClient = (options: ClientOptions) => {
  const http = createHttp(options)
  return { ...taskMethods(http), ...sessionMethods(http), ...fleetMethods(http) }
}

const taskMethods = (http: Http) => ({
  /** Submits a task. */
  submit: (task: CreateTask, { idempotencyKey, signal }: Keyed = {}): Promise<TaskCreated> =>
    http.json('/api/tasks', { method: 'POST', body: task, headers: keyHeader(idempotencyKey), signal }),

  /** The task as it is; with `waitS` (up to 60) when it has ended, or when so many seconds are over. */
  task: (
    taskId: string,
    { waitS, signal }: Signal & { waitS?: z.output<typeof TaskQuery>['wait_s'] | undefined } = {},
  ): Promise<Task> => http.json(taskPath(taskId), { query: { wait_s: waitS }, signal }),

  /** Unfinished tasks first, newest first. Iterate the page for those after it. */
  tasks: ({ ...filter }: TaskFilter = {}, { signal }: Signal = {}): Promise<Page<TaskSummary>> =>
    pageOf(http, '/api/tasks', filter, signal),

  /** The task when it has ended, however long that takes and whatever happens to the connection. */
  wait: (taskId: string, { signal }: Signal = {}): Promise<Task> => waitForTask(http, taskId, signal),

  /**
   * A task's events from its first to its terminal one, or a session's until the signal aborts; across broken
   * connections and restarts of the API.
   */
  events: (
    of: string | { session: string },
    how: EventsOptions = {},
  ): AsyncGenerator<StreamEvent, void, undefined> =>
    followEvents(http, typeof of === 'string' ? { task: of } : of, how),

  /** Throws 409 `task_not_cancellable` when it has already ended otherwise. */
  cancel: (
    taskId: string,
    { reason, signal }: Signal & { reason?: string | undefined } = {},
  ): Promise<TaskCancelled> =>
    http.json(`${taskPath(taskId)}/cancel`, {
      method: 'POST',
      body: { ...(reason !== undefined && { reason }) },
      signal,
    }),

  /** By exactly one of `session_id`, `status`, `task_ids`. */
  cancelMany: (filter: CancelTasks, { signal }: Signal = {}): Promise<TasksCancelled> =>
    // Not repeated: the second answer would call skipped what the first has cancelled.
    http.json('/api/tasks/cancel', { method: 'POST', body: filter, signal, retries: 0 }),

  /** How many tasks there are of each status. */
  stats: ({ signal }: Signal = {}): Promise<TaskStats> => http.json('/api/tasks/stats', { signal }),
})

const sessionMethods = (http: Http) => ({
  /** Latest activity first. Iterate the page for those after it. */
  sessions: ({ ...filter }: SessionFilter = {}, { signal }: Signal = {}): Promise<Page<SessionSummary>> =>
    pageOf(http, '/api/sessions', filter, signal),

  /** With its conversation, oldest message first, up to `limit` of them. */
  session: (
    sessionId: string,
    { ...page }: PageOptions = {},
    { signal }: Signal = {},
  ): Promise<Paged<Session>> => paged(http, sessionPath(sessionId), page, signal),

  /** A new session that goes on from the transcript so far. */
  fork: (sessionId: string, { idempotencyKey, signal }: Keyed = {}): Promise<SessionForked> =>
    http.json(`${sessionPath(sessionId)}/fork`, {
      method: 'POST',
      headers: keyHeader(idempotencyKey),
      signal,
    }),

  /** `purged`, or `deleting` while a task of it has not let go yet. Unfinished tasks are cancelled. */
  deleteSession: async (sessionId: string, { signal }: Signal = {}): Promise<'purged' | 'deleting'> => {
    const response = await http.request(sessionPath(sessionId), { method: 'DELETE', signal })
    await response.text()
    return response.status === 204 ? 'purged' : 'deleting'
  },

  sessionCost: (sessionId: string, { signal }: Signal = {}): Promise<SessionCost> =>
    http.json(`${sessionPath(sessionId)}/cost`, { signal }),

  /** By day, model or session, over days of UTC; the last 30 unless `from` and `to` say otherwise. */
  costs: ({ ...filter }: CostFilter = {}, { signal }: Signal = {}): Promise<Paged<CostReport>> =>
    paged(http, '/api/costs', filter, signal),
})

const fleetMethods = (http: Http) => ({
  /** Whatever it is: `unhealthy` is an answer, not an error. */
  health: async ({ signal }: Signal = {}): Promise<Health> => {
    const response = await http.request('/health', { signal, alsoFine: [503] })
    return answerOf(response)
  },
  /** Whether tasks can be submitted now; false as well when nobody answers. */
  ready: async ({ signal }: Signal = {}): Promise<boolean> => {
    try {
      const response = await http.request('/health/ready', { signal, alsoFine: [503], retries: 0 })
      await response.body?.cancel()
      return response.ok
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof AlexError) return false
      throw error
    }
  },
  workers: ({ signal }: Signal = {}): Promise<WorkerInfo[]> => http.json('/api/workers', { signal }),
  presets: ({ signal }: Signal = {}): Promise<Presets> => http.json('/api/presets', { signal }),
})

const taskPath = (id: string) => `/api/tasks/${encodeURIComponent(id)}`
const sessionPath = (id: string) => `/api/sessions/${encodeURIComponent(id)}`

const paged = async <Answer extends object>(
  http: Http,
  path: string,
  query: Record<string, string | number>,
  signal: AbortSignal | undefined,
): Promise<Paged<Answer>> => {
  const response = await http.request(path, { query, signal })
  const next = nextCursor(response)
  return { ...(await answerOf<Answer>(response)), ...(next !== undefined && { next }) }
}

const keyHeader = (key: string = randomKey()) => ({ 'Idempotency-Key': key })

/** `crypto.randomUUID` is missing in pages that came over plain HTTP. */
const randomKey = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
