/** What the model knows of one task. */
import type { TaskStatus } from '../../src/schemas/task.ts'

export interface ModelTask {
  readonly id: string
  readonly session: string
  readonly priority: number
  readonly parent: string | null
  status: TaskStatus
  /** Types of its events; the n-th has seq n. */
  log: string[]
  /** Its `run_at` has not come: it stands in no line. */
  scheduled: boolean
  /** Lost more than once in a row, it met another such task on the worker: it comes back a little later. */
  heldBack: boolean
  /** Who began it last. */
  worker: string | null
  /** It may run beside others under suspicion again. */
  aloneOver: boolean
  /** When the time allowed was used up. */
  overdue: number | null
  /** The number of the one ticket that is good, 0 before there was any. */
  ticket: number
  attempt: number
  activation: string | null
  /** Its lease has run out and nobody has looked yet. */
  lapsed: boolean
  losses: number
  cancel: string | null
  resumeReason: string | null
  modelCalls: number
  tokens: number
  estimatedTokens: number
  /** A model call without an outcome. */
  modelCallOpen: boolean
  /** The last append, for one sent again. */
  appended: { by: string; from: number; seqs: number[] } | null
  releasedBy: string | null
  endedBy: string | null
  /** Whom its end made runnable. */
  woke: string[]
  /** Those it waits for, or waited for last, and how many of them may run at a time. */
  children: string[]
  childLimit: number
  /** The last delegation, for one sent again. */
  delegated: { by: string; from: number } | null
}

export const NEW = {
  parent: null,
  status: 'pending' as TaskStatus,
  heldBack: false,
  worker: null,
  aloneOver: true,
  overdue: null,
  ticket: 0,
  attempt: 0,
  activation: null,
  lapsed: false,
  losses: 0,
  cancel: null,
  resumeReason: null,
  modelCalls: 0,
  tokens: 0,
  estimatedTokens: 0,
  modelCallOpen: false,
  appended: null,
  releasedBy: null,
  endedBy: null,
  woke: [],
  children: [],
  childLimit: 0,
  delegated: null,
}
