/** What the rules look up: a history arranged by task, token and answer. Judges nothing itself. */
import type { Deletion, History, LogEntry, ModelCall, Plan, PlannedCall, Submission } from './history.ts'

/** A broken promise, and where. */
export interface Violation {
  rule: string
  task_id?: string
  session_id?: string
  message: string
  evidence: unknown[]
}
/** What a rule found; `check` adds the rule's name. */
export type Finding = Omit<Violation, 'rule'>
export type Rule = (facts: Facts) => Finding[]

/** `<marker>.<turn>.<call index>.<nonce>`, of an answer that the model server gave. */
export interface Token {
  text: string
  marker: string
  turn: number
  index: number
  nonce: string
}

export interface Call {
  call_id: string
  tokens: Token[]
}

/** One think_complete. */
export interface Answer {
  entry: LogEntry
  /** The requests of the model server whose nonces it carries: one, when all is well. */
  models: ModelCall[]
  calls: Call[]
}

/** What the log says about one call that started. */
export interface StartedCall {
  task: TaskFacts
  start: LogEntry
  complete?: LogEntry
}

export interface TaskFacts {
  task_id: string
  session_id: string
  /** Of a child, which takes no turn in its session. */
  parent?: string
  /** Of its task_queued; absent when neither a submission nor a plan of the run has it. */
  marker?: string
  /** In log order. */
  entries: LogEntry[]
  answers: Answer[]
  /** Its first terminal event. */
  end?: LogEntry
}

export type Facts = ReturnType<typeof factsOf>

/**
 * Redis, the workers, the commands and the harness read one clock, but each rounds it in its own way, and file
 * times come from the kernel's coarse clock (up to 10 ms behind). Nothing the service does wrong is that brief:
 * a lease is seconds long.
 */
export const CLOCK_MS = 25

const ENDS = ['task_complete', 'task_failed', 'task_cancelled']
export const isEnd = (event: { type: string }): boolean => ENDS.includes(event.type)

/** Empty when there is no such text. */
export const text = ({ data }: LogEntry, name: string): string => {
  const value = data[name]
  return typeof value === 'string' ? value : ''
}
export const number = (entry: LogEntry, name: string): number => Number(entry.data[name])

/** The call returned what it was meant to return. */
export const succeeded = (complete: LogEntry | undefined): boolean =>
  complete !== undefined && complete.data['error'] === undefined && complete.data['interrupted'] !== true

export const factsOf = (history: History) => {
  const models = new Map(history.modelCalls.map((call) => [call.nonce, call]))
  const submissions = new Map(history.submissions.map((submission) => [submission.marker, submission]))
  const tokensIn = (value: unknown): Token[] => findTokens(value, models)
  const plans = plansOf(history.submissions)
  const tasks = tasksOf(history.logs, plans, models)

  /** By token. The start's own arguments tell what was run. */
  const started = new Map<string, StartedCall>()
  for (const task of tasks.values()) {
    for (const start of task.entries.filter(({ type }) => type === 'tool_call_start')) {
      const complete = task.entries.find(
        (entry) => entry.type === 'tool_call_complete' && text(entry, 'call_id') === text(start, 'call_id'),
      )
      for (const token of tokensIn(start.data['arguments']))
        if (!started.has(token.text)) started.set(token.text, { task, start, ...(complete && { complete }) })
    }
  }
  /** A model asked past its plan's end repeats the last turn. */
  const plannedCalls = (marker: string, turn: number): readonly PlannedCall[] | undefined => {
    const turns = plans.get(marker)?.plan.turns ?? []
    return turns[Math.min(turn, turns.length - 1)]?.calls
  }
  const deletions = Map.groupBy(history.deletions, ({ session_id }) => session_id)
  return {
    history,
    tasks,
    submissions,
    plans,
    started,
    tokensIn,
    deletionsOf: (session_id: string): readonly Deletion[] => deletions.get(session_id) ?? [],
    logOf: (session_id: string): readonly LogEntry[] | undefined => history.logs[session_id],
    plannedCalls,
    /** What the plan says about a token's call. */
    planned: ({ marker, turn, index }: Token): PlannedCall | undefined => plannedCalls(marker, turn)?.[index],
  }
}

/** What a marker's task was told, and in which session; children too. */
interface Planned {
  plan: Plan
  session_id: string
}

const plansOf = (submissions: readonly Submission[]): Map<string, Planned> => {
  const plans = new Map<string, Planned>()
  const add = (marker: string, plan: Plan, session_id: string) => {
    plans.set(marker, { plan, session_id })
    for (const { calls } of plan.turns)
      for (const { subtasks = [] } of calls)
        for (const subtask of subtasks) add(subtask.marker, subtask, session_id)
  }
  for (const { marker, plan, session_id } of submissions) add(marker, plan, session_id)
  return plans
}

const tasksOf = (
  logs: History['logs'],
  plans: ReadonlyMap<string, Planned>,
  models: ReadonlyMap<string, ModelCall>,
): Map<string, TaskFacts> => {
  const tasks = new Map<string, TaskFacts>()
  for (const [session_id, log] of Object.entries(logs)) {
    for (const entry of log) {
      const task_id = entry.task
      const task = tasks.get(task_id) ?? { task_id, session_id, entries: [], answers: [] }
      tasks.set(task_id, task)
      task.entries.push(entry)
      if (entry.parent !== undefined) task.parent ??= entry.parent
      const marker = entry.type === 'task_queued' ? markerIn(text(entry, 'task')) : undefined
      if (marker !== undefined && plans.has(marker)) task.marker ??= marker
      if (entry.type === 'think_complete') task.answers.push(answerOf(entry, models))
      if (isEnd(entry)) task.end ??= entry
    }
  }
  return tasks
}

const markerIn = (task: string): string | undefined => {
  const plan = parsed(task.slice(task.indexOf('{')))
  return (plan as { marker?: string }).marker
}

const answerOf = (entry: LogEntry, models: ReadonlyMap<string, ModelCall>): Answer => {
  const asked = (entry.data['tool_calls'] ?? []) as { call_id: string; arguments: string }[]
  const calls = asked.map((call) => ({
    call_id: call.call_id,
    tokens: findTokens(parsed(call.arguments), models),
  }))
  const words = text(entry, 'content').split(/[^\w-]+/)
  const tokens = calls.flatMap((call) => call.tokens)
  const nonces = new Set([...words.filter((word) => models.has(word)), ...tokens.map(({ nonce }) => nonce)])
  return { entry, models: [...nonces].flatMap((nonce) => models.get(nonce) ?? []), calls }
}

/** What is no JSON stands for itself. */
const parsed = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return json
  }
}

/** An address (127.0.0.1) has a token's form too, so only the nonces that were given count. */
const findTokens = (value: unknown, models: ReadonlyMap<string, ModelCall>): Token[] => {
  if (typeof value === 'object' && value !== null)
    return Object.values(value).flatMap((part) => findTokens(part, models))
  if (typeof value !== 'string') return []
  return [...value.matchAll(/([\w-]+)\.(\d+)\.(\d+)\.([\w-]+)/g)]
    .map(([whole, marker = '', turn, index, nonce = '']) => {
      return { text: whole, marker, turn: Number(turn), index: Number(index), nonce }
    })
    .filter(({ nonce }) => models.has(nonce))
}
