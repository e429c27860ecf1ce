/** Contract of the agent loop: what one activation of a task needs, and how it can end. */
import type { Log } from '../log.ts'
import type { Effect, EphemeralEvent, Event, LogEvent, StopReason, TaskError } from '../schemas/event.ts'
import type { Model, ToolSpec } from './model.ts'
import type { Prices } from './prices.ts'
import type { Calibration } from './tokens.ts'
import type { DelegateOptions, SubtaskResult, ToolContext, ToolOutput } from './tools/tool.ts'

/** What all model calls of a task together may use and cost; absent: as much as it takes. */
export interface Budget {
  max_total_tokens?: number | undefined
  max_cost_usd?: number | undefined
}

export interface AgentTask extends Budget {
  task_id: string
  session_id: string
  /** A child of another task: it makes none of its own. */
  parent_task_id?: string
  task: string
  agent_preset: string
  tool_preset: string
  /** Tried in order: the task's model, then the configured fallbacks. */
  models: readonly [string, ...string[]]
  max_iterations: number
  /** Of one answer. */
  max_tokens: number
  attempt: number
  worker: string
  /** Why this is not the first activation; used in `task_resumed`. */
  resume_reason: 'worker_lost' | 'drained' | 'woken'
}

/**
 * Appends to the session log, in order. Events emitted in one turn of the event loop, or while an append is under
 * way, go together; the last ones before an end may go with it.
 */
export interface Emitter {
  emit: (...events: LogEvent[]) => void
  /** Resolves when all emitted so far is durable. Throws `LeaseLost` when this activation was refused. */
  commit: () => Promise<void>
  /** Live only, may be dropped. */
  ephemeral: (event: EphemeralEvent) => void
}

/** Tasks that do a part of this one's work, its children: made for one durable call and waited for by this task. */
export interface Delegation {
  /**
   * Records the call's start and makes a child of each subtask, all at once; ids depend on the call alone, so
   * nothing is made twice. Then this activation is over, and another one goes on when every child has ended.
   * Nothing emitted may be uncommitted. Throws `LeaseLost`, and the signal's reason when a cancel came before.
   */
  start: (
    call: ToolCallStart,
    subtasks: readonly string[],
    options: DelegateOptions & Budget,
  ) => Promise<void>
  /** What became of them, in the order of the subtasks. */
  results: (callId: string, count: number) => Promise<SubtaskResult[]>
}
type ToolCallStart = Extract<LogEvent, { event_type: 'tool_call_start' }>

/** Slows a whole fleet down together when a provider says so. */
export interface Throttle {
  /** Milliseconds to wait before calling this model. */
  waitMs: (model: string) => number
  report: (model: string, retryAfterMs: number) => void
}

export interface AgentRun {
  task: AgentTask
  /** The session's log so far: earlier tasks (the transcript) and this task's own events (a resume folds them). */
  history: readonly Event[]
  model: Model
  emitter: Emitter
  throttle: Throttle
  delegation: Delegation
  /** All of a tool's context but what belongs to one call. */
  toolContext: Pick<ToolContext, 'workspace' | 'assertLease' | 'guard' | 'todos'>
  /**
   * Aborts on cancel, deadline, lost lease or a second-stage drain. With the reason `DRAINED` calls that have
   * not run stay open, for another activation to run; with any other each open call is closed as cancelled.
   */
  signal: AbortSignal
  /** Asked between steps: true → stop cleanly with `paused`, nothing half done. */
  shouldPause: () => boolean
  log: Log
}

/** `signal.reason` of an activation whose worker leaves before its step is done: the task goes on elsewhere. */
export const DRAINED = 'drained'

/** The tools as the loop sees them. A preset holds in all four. */
export interface Toolbox {
  /** What the model is offered, in a stable order. */
  specs: (preset: string) => readonly ToolSpec[]
  names: (preset: string) => { allowed: string[]; denied: string[] }
  /** `read` for a name no tool has: answering that it is unknown changes nothing. */
  effectOf: (toolName: string) => Effect
  /**
   * Arguments are the model's text. Unknown or refused tools, broken arguments, failures, time-outs and an
   * aborted signal are all results; only `LeaseLost` is thrown.
   */
  execute: (
    call: { tool_name: string; arguments: string },
    context: ToolContext,
    preset: string,
  ) => Promise<ToolOutput>
}

/** What lives as long as the process. */
export interface AgentDeps {
  toolbox: Toolbox
  /** Once an activation. Never throws for a workspace it cannot read. */
  systemPrompt: (task: AgentTask, workspace: string, tools: readonly string[]) => Promise<string>
  /** Tokens a model can read; infinite where nothing need be left out. */
  windowOf: (model: string) => Promise<number>
  calibration: Calibration
  /** Absent: no price is known. */
  prices?: Prices
  retry?: Partial<RetryPolicy>
  /** How long a tool may take to end after its signal aborted, before it is answered for. Milliseconds. */
  abortGraceMs?: number
}

export interface RetryPolicy {
  /** Failures of each kind after which one model is given up. */
  tries: { overloaded: number; network: number; timeout: number }
  /** The same for overload, while a fallback remains. */
  triesBeforeFallback: number
  /** First wait; each further one is three times as long, give or take a quarter, up to `maxMs`. */
  baseMs: number
  /** Also the longest `Retry-After` that is waited for. */
  maxMs: number
}

export interface AgentTotals {
  total_iterations: number
  /** Of answered calls. */
  total_tokens: number
  /** Of answered calls whose price is known; absent when there is none. */
  cost_usd?: number
}

/**
 * `paused`: all that was done is appended, another activation continues. `waiting`: the same, when the children that
 * the task was given have ended; nothing more may be appended. `aborted`: the signal did it.
 */
export type AgentOutcome = AgentTotals &
  (
    | {
        kind: 'answered'
        answer: string
        stop_reason: Extract<StopReason, 'final_answer' | 'max_iterations'>
      }
    | {
        kind: 'failed'
        error: TaskError
        /** Absent: `error`. */
        stop_reason?: Extract<StopReason, 'budget'>
        partial_answer?: string
      }
    | { kind: 'paused' }
    | { kind: 'waiting' }
    | { kind: 'aborted'; partial_answer?: string }
  )
