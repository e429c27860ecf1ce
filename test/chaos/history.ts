/**
 * All that one chaos run saw from outside the service: what went in, what came out, what took effect, what was
 * broken on purpose and what was left at the end. `check.ts` judges it; nothing here imports the service's code.
 *
 * Times are milliseconds of the machine's wall clock, which Redis shares. Ids of log entries are Redis stream ids.
 */

export interface History {
  seed: number
  /** What was asked for, for the report: tasks, workers, minutes, fsync. */
  settings: Record<string, string | number>
  startedAt: number
  endedAt: number
  submissions: Submission[]
  cancels: Cancel[]
  deletions: Deletion[]
  /** Per session, raw from Redis after the run. Sessions that were deleted have no entry. */
  logs: Record<string, LogEntry[]>
  effects: Effect[]
  modelCalls: ModelCall[]
  /** As Redis counts them after the run. */
  costs: Costs
  readers: Reader[]
  faults: Fault[]
  workers: WorkerLife[]
  leftovers: Leftovers
}

/** One call of `POST /api/tasks` that the harness meant, with all its repetitions. */
export interface Submission {
  /** Unique in the run; stands in the task's text, so that a task can be told whatever its id. */
  marker: string
  session_id: string
  /** An `Idempotency-Key` was sent, the same with each repetition. */
  key?: string
  /** Each try: when it was sent, when answered, and how. Status 0: the connection broke. */
  tries: { sentAt: number; answeredAt: number; status: number; task_id?: string }[]
  plan: Plan
}

/** What a task's model asks for, turn by turn; stands as JSON in the task's text. */
export interface Plan {
  marker: string
  turns: PlannedTurn[]
  /** Of a child, as it stands in its text: the token of the call that made it. */
  call?: string
}
export interface PlannedTurn {
  /** Empty: the final answer. */
  calls: PlannedCall[]
  /** Milliseconds the model takes, spread over its stream. */
  modelMs: number
  /** The first time the model is asked for this turn it fails so. */
  fault?: ModelFault
}
export type ModelFault = '429' | '500' | 'disconnect' | 'malformed' | 'silence'
export interface PlannedCall {
  kind: EffectKind | 'read' | 'subagent'
  /** Milliseconds the call sleeps before it takes effect. */
  beforeMs: number
  /** Milliseconds it sleeps afterwards. */
  afterMs: number
  /** The process that takes effect leaves its group and session first (`setsid`). */
  detached?: boolean
  /** Of a subagent call: what each child will be told, and how many may be at work at a time. */
  subtasks?: Plan[]
  atATime?: number
}
/** A line appended to a ledger by `bash` / a file made by `file_write` / a request that `bash` makes with curl. */
export type EffectKind = 'ledger' | 'file' | 'http'

/** Every `POST …/cancel` the harness made. Status 0: the connection broke, so nobody knows. */
export interface Cancel {
  task_id: string
  sentAt: number
  answeredAt: number
  status: number
}

export interface Deletion {
  session_id: string
  sentAt: number
  answeredAt: number
  /** The last answer, after repetitions. */
  status: number
}

/** One entry of a session's log, as XRANGE gave it. */
export interface LogEntry {
  id: string
  task: string
  seq: number
  at: number
  type: string
  data: Record<string, unknown>
  parent?: string
}

/**
 * One time a call took effect. The token is `<marker>.<turn>.<call index>.<nonce>`, made by the model server for
 * each answer anew: a call that was logged has exactly one, and it stands in the call's arguments.
 */
export interface Effect {
  token: string
  kind: EffectKind
  at: number
}

export interface ModelUsage {
  input_tokens: number
  output_tokens: number
  /** Part of the input. */
  cached_tokens: number
}

/** Counters of model calls by name: `cost_nano`, `estimated_nano` … */
export type Counted = Record<string, number>

export interface Costs {
  /** By task, of records that are there. */
  tasks: Record<string, Counted>
  /** By session, over its models. */
  sessions: Record<string, Counted>
  /** By session, over all days and models; of deleted sessions too. */
  days: Record<string, Counted>
  /** Over all days and models. */
  models: Counted
}

/** One request that the scripted model server met. */
export interface ModelCall {
  /** Unique per request; the answer's text or its calls' tokens carry it. */
  nonce: string
  /** The text it answered or would have answered, whole: the log's must be the same, but for blanks around it. */
  text?: string
  marker: string
  /** 0, 1, 2 … of the plan. */
  turn: number
  /** Which worker process asked (`WorkerLife.name`): each has a base URL of its own. */
  worker: string
  at: number
  /** When the exchange was over for the server; `end` says how. */
  closedAt: number
  end: 'answered' | 'closed_by_client' | ModelFault
  /** What it told with its answer. */
  usage?: ModelUsage
}

/** One client of an event stream, over all its reconnects. */
export interface Reader {
  name: string
  follows: { session_id: string } | { task_id: string }
  /** `all`: a session's reader asked for all of its past, so it owes the log from its first event. */
  replay?: 'all'
  /** Durable events in the order they came; `id` as sent. */
  events: { id: string; task_id: string; seq: number; type: string }[]
  /** Answers of each connect: 200, 204 (ended before), 404, 503 …; 0: the connection broke. */
  connects: { at: number; status: number; lastEventId: string }[]
  /** It read until the stream was over (a task) or until the run was (a session). */
  finished: boolean
}

export const FAULT_KINDS = [
  'kill_worker',
  'kill_api',
  'stop_worker',
  'drain_worker',
  'kill_redis',
  'cut',
  'cut_reply',
  'delay',
  'half_open',
  'blackhole',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

export interface Fault {
  kind: FaultKind
  /** The narrow window it was aimed at: `before begin`, `after finish` … */
  point?: string
  /** Name of the process it hit; `redis`. */
  target: string
  at: number
  /** When it was over: the process continued, Redis answered again, the delay was lifted. */
  until?: number
}

/** One process of the fleet, from start to end. */
export interface WorkerLife {
  /** Unique per process: `w2.5` is the fifth life of worker 2. */
  name: string
  /** As `task_started.worker` says it; absent when it never told. */
  worker_id?: string
  pid: number
  slots: number
  startedAt: number
  /** When it took tickets. */
  readyAt?: number
  endedAt?: number
  /** Exit code, or the signal that ended it. */
  end?: number | string
}

/** What was still there when everything had ended, all workers were idle and had been told to leave. */
export interface Leftovers {
  /** Task ids per status that is not an end. */
  unfinished: { task_id: string; status: string }[]
  /** Members of `due`, `due:tickets` and the like. */
  due: string[]
  /** BullMQ's jobs, in whatever state. */
  tickets: string[]
  /** Records of ended tasks that still name a live lease or an activation that could act. */
  leases: string[]
  /** Keys of sessions that were deleted, and keys that nobody owns. */
  keys: string[]
  /** Processes that tools had started and that still live. */
  children: { pid: number; command: string }[]
}
