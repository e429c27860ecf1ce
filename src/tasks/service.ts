/** What the API (and later the CLI and MCP) can ask of tasks, sessions and the fleet. Knows no HTTP. */
import type { CostGrouping, CostReport, SessionCost } from '../schemas/cost.ts'
import type { Event } from '../schemas/event.ts'
import type { ComponentState, WorkerInfo } from '../schemas/health.ts'
import type { Session, SessionForked, SessionSummary } from '../schemas/session.ts'
import type { CreateTask, Task, TaskCreated, TaskStats, TaskStatus, TaskSummary } from '../schemas/task.ts'
import type { TraceContext } from '../tracing.ts'

export interface Page<T> {
  items: T[]
  /** Absent when a text was asked for: counting would mean reading everything. */
  total?: number
  /** Opaque; absent on the last page. */
  next?: string
}

export interface ListTasks {
  limit: number
  /** Throws `InvalidRequest('invalid_cursor')` when it is none of ours. */
  cursor?: string
  status?: TaskStatus[]
  session_id?: string
  q?: string
}

export type CreateOutcome =
  | { outcome: 'created' | 'replayed'; answer: TaskCreated }
  /** Same `Idempotency-Key`, other body. */
  | { outcome: 'idempotency_conflict' }
  /** The session is being deleted. */
  | { outcome: 'session_deleted' }

export type CancelOutcome =
  /** `status` is the true one after waiting up to 2 s for the end. */
  | { outcome: 'cancelled'; status: TaskStatus }
  | { outcome: 'not_found' }
  | { outcome: 'already_ended'; status: TaskStatus }

export type CancelFilter = { session_id: string } | { status: TaskStatus[] } | { task_ids: string[] }

/**
 * Every method throws `RedisUnavailable` within 2 s when Redis is away, and `InvalidRequest` for values that
 * only the service can judge (unknown preset: code `unknown_preset`, the message lists the known).
 */
export interface TaskService {
  /** `trace`: where the spans of the task hang. */
  create(input: CreateTask, idempotencyKey?: string, trace?: TraceContext): Promise<CreateOutcome>
  get(taskId: string): Promise<Task | null>
  /**
   * The task when it has ended, or as it is after `waitMs` or when the signal aborts. `onEvent` hears the task's
   * durable events meanwhile, raw; one may be missed.
   */
  waitForEnd(
    taskId: string,
    waitMs: number,
    signal: AbortSignal,
    onEvent?: (event: Event) => void,
  ): Promise<Task | null>
  list(query: ListTasks): Promise<Page<TaskSummary>>
  stats(): Promise<TaskStats>
  cancel(taskId: string, by: { reason?: string; requestedBy: string }): Promise<CancelOutcome>
  cancelMany(
    filter: CancelFilter,
    by: { reason?: string; requestedBy: string },
  ): Promise<{ cancelled: string[]; skipped: { task_id: string; reason: string }[] }>
}

export type ForkOutcome =
  | { outcome: 'forked' | 'replayed'; answer: SessionForked }
  | { outcome: 'not_found' }
  /** Same `Idempotency-Key`, other request. */
  | { outcome: 'idempotency_conflict' }

/** Throws as `TaskService`, and `SessionNotRestorable` when only an unreadable file has the session. */
export interface SessionService {
  list(query: { limit: number; cursor?: string; q?: string }): Promise<Page<SessionSummary>>
  /** Messages oldest first. */
  get(
    sessionId: string,
    query: { limit: number; cursor?: string },
  ): Promise<{ session: Session; next?: string } | null>
  /** `pending`: marked and cancelled, its last task has not let go yet. */
  delete(sessionId: string): Promise<'purged' | 'pending' | 'not_found'>
  /** A new session whose transcript is that of the ended tasks so far. */
  fork(sessionId: string, idempotencyKey?: string): Promise<ForkOutcome>
}

export interface CostQuery {
  /** UTC days, `YYYY-MM-DD`, both included; absent: the last 30 days. */
  from?: string
  to?: string
  group_by: CostGrouping
  limit: number
  /** Throws `InvalidRequest('invalid_cursor')` when it is none of ours. */
  cursor?: string
}

/** Throws as `TaskService`. */
export interface CostService {
  ofSession(sessionId: string): Promise<SessionCost | null>
  /** A range too long or backwards is an `InvalidRequest`. */
  report(query: CostQuery): Promise<{ report: CostReport; next?: string }>
}

/** The fleet's truth, from heartbeats, kept in memory so that it answers while Redis is away. */
export interface Fleet {
  workers(): Promise<WorkerInfo[]>
  /**
   * From memory, kept fresh while somebody asks now and then. Who asks after a pause waits for a reading, at most half
   * a second.
   */
  snapshot(): Promise<FleetSnapshot>
}

/** Where an API listens. */
export interface ApiAddress {
  host: string
  port: number
}

export interface FleetSnapshot {
  /** `refuses`: it answers but takes no change (out of memory, read-only), with its code. */
  redis: {
    up: boolean
    latency_ms?: number
    evicts: boolean
    /** It keeps an append-only file; absent when it does not say. */
    persists?: boolean
    memory_bytes?: number
    memory_limit_bytes?: number
    refuses?: string
    /** Why Redis does not answer. */
    message?: string
    /** What of its settings can lose tasks, in sentences. */
    concerns?: string[]
  }
  workers: WorkerInfo[]
  /** Those that announce themselves, this one included; in the order of their addresses. */
  apis: ApiAddress[]
  queue: {
    pending: number
    running: number
    waiting: number
    /** Pending ones that wait for nothing but a slot. */
    ready: number
    oldest_pending_ms?: number
    oldest_ready_ms?: number
  }
  /** For the metrics, read at one moment; absent until Redis was reached once. */
  totals?: {
    tasks: TaskStats
    sessions: number
    sessions_active: number
    counts: Record<string, string>
    /** Of this UTC day, nano-USD. */
    costs: { model: string; billed: number; estimated: number }[]
  }
  /** The workers' components, merged: the worst state wins and the message names the worker when they differ. */
  components: ComponentState[]
}
