/** Rules about money: no request without its start in the log, exact costs, estimates apart, and one sum everywhere. */
import { CLOCK_MS, type Facts, type Finding, number, type Rule, type TaskFacts, text } from './check-facts.ts'
import { type Counted, countersOf, isOutcome, sumOf } from './check-spending.ts'
import type { LogEntry, ModelCall, ModelUsage } from './history.ts'
import { nanoOf } from './prices.ts'

/**
 * Each call has one start and then one outcome. No request reached the model before its call's start was in the log,
 * and no outcome tells of an exchange that never was. (The log may have more starts than the model had requests: a
 * worker can be lost, or told to stop, between the two.) An answer costs what the model counted, to the nano-USD; a
 * call without an answer is estimated, apart, and not below its input.
 */
export const modelCosts: Rule = (facts) => {
  const requests = Map.groupBy(facts.history.modelCalls, ({ marker }) => marker)
  return [...facts.tasks.values()].flatMap((task) => [
    ...judgeCalls(task),
    // What Redis had not yet written when it was killed is gone, though the request was made.
    ...(facts.history.settings['fsync'] === 'everysec'
      ? []
      : judgeRequests(task, requests.get(task.marker ?? '') ?? [], facts)),
  ])
}

const judgeCalls = ({ task_id, session_id, entries, answers, end }: TaskFacts): Finding[] => {
  const open = new Map<string, LogEntry>()
  const used = new Set<string>()
  const findings = entries.flatMap((entry): Finding[] => {
    const call = text(entry, 'call')
    const finding = (message: string, ...evidence: unknown[]) => [
      { task_id, session_id, message: `model call ${call}: ${message}`, evidence: [...evidence, entry] },
    ]
    if (entry.type === 'model_call_start') {
      const again = used.has(call)
      used.add(call)
      open.set(call, entry)
      return again ? finding('it was started twice') : []
    }
    if (!isOutcome(entry)) return []
    const start = open.get(call)
    open.delete(call)
    if (!start) return finding('an outcome of no call that is under way')
    if (entry.type === 'think_complete') {
      const model = answers.find((answer) => answer.entry === entry)?.models[0]
      const wrong = model && wrongAnswer(entry, model)
      return wrong === undefined ? [] : finding(wrong, model)
    }
    const wrong = wrongEnd(start, entry)
    return wrong === undefined ? [] : finding(wrong, start)
  })
  if (end && open.size > 0)
    findings.push({
      task_id,
      session_id,
      message: `model calls without an outcome: ${[...open.keys()].join(', ')}`,
      evidence: [...open.values(), end],
    })
  return findings
}

const wrongAnswer = ({ data }: LogEntry, { usage }: ModelCall): string | undefined => {
  if (!usage) return undefined
  const logged = data['usage'] as Partial<ModelUsage> | undefined
  for (const name of ['input_tokens', 'output_tokens', 'cached_tokens'] as const)
    if (logged?.[name] !== usage[name])
      return `${logged?.[name]} ${name}, of which the model counted ${usage[name]}`
  if (data['estimated_cost_usd'] !== undefined) return 'an answer with an estimated cost'
  const cost = nanoOf(usage)
  return data['cost_usd'] === cost / 1e9
    ? undefined
    : `it costs ${String(data['cost_usd'])}, not ${cost / 1e9}`
}

const MAYBE_BILLED = ['lost', 'broken', 'aborted']

const wrongEnd = (start: LogEntry, end: LogEntry): string | undefined => {
  const { estimated_usage, estimated_cost_usd, usage, cost_usd } = end.data
  const outcome = text(end, 'outcome')
  // In a run nobody but the agent loop asks, and its answers are thoughts, unless they came too late.
  if (outcome === 'answered') return undefined
  if (usage !== undefined || cost_usd !== undefined) return `${outcome}, and counted as answered`
  if (estimated_usage === undefined)
    return MAYBE_BILLED.includes(outcome) && outcome !== 'aborted'
      ? `${outcome} without an estimate`
      : undefined
  if (!MAYBE_BILLED.includes(outcome)) return `${outcome}, and estimated`
  const estimate = estimated_usage as ModelUsage
  const least = number(start, 'estimated_input_tokens')
  if (!(estimate.input_tokens >= least) || !(least > 0))
    return `estimated at ${estimate.input_tokens} tokens of input, which are ${least}`
  const cost = nanoOf(estimate)
  return estimated_cost_usd === cost / 1e9
    ? undefined
    : `estimated to cost ${String(estimated_cost_usd)}, not ${cost / 1e9}`
}

/** Per worker, because each asks under a name of its own: its `n`th request had at least `n` starts before it. */
const judgeRequests = (task: TaskFacts, requests: readonly ModelCall[], { history }: Facts): Finding[] => {
  const { task_id, session_id, entries } = task
  const ids = new Map(history.workers.map(({ name, worker_id }) => [name, worker_id]))
  const starts = new Map<string, LogEntry[]>()
  const told = new Map<string, { any: number; refused: number }>()
  const startedBy = new Map<string, string>()
  let holder = ''
  for (const entry of entries) {
    if (entry.type === 'task_started' || entry.type === 'task_resumed') holder = text(entry, 'worker')
    if (entry.type === 'model_call_start') {
      starts.set(holder, [...(starts.get(holder) ?? []), entry])
      startedBy.set(text(entry, 'call'), holder)
    }
    const outcome = entry.type === 'think_complete' ? 'answered' : text(entry, 'outcome')
    if (!isOutcome(entry) || !['answered', 'broken', 'refused'].includes(outcome)) continue
    const worker = startedBy.get(text(entry, 'call')) ?? holder
    const { any, refused } = told.get(worker) ?? { any: 0, refused: 0 }
    told.set(worker, { any: any + 1, refused: refused + (outcome === 'refused' ? 1 : 0) })
  }
  const byWorker = Map.groupBy(requests, ({ worker }) => ids.get(worker) ?? worker)
  const findings: Finding[] = []
  const find = (message: string, ...evidence: unknown[]) =>
    findings.push({ task_id, session_id, message, evidence })
  for (const [worker, made] of byWorker) {
    const logged = starts.get(worker) ?? []
    const early = made
      .toSorted((a, b) => a.at - b.at)
      .find((request, n) => !(logged[n] && logged[n].at <= request.at + CLOCK_MS))
    if (early)
      find(
        `${worker} asked the model before the log had the call: ${logged.length} starts, ${made.length} requests`,
        early,
      )
  }
  for (const [worker, { any, refused }] of told) {
    const made = byWorker.get(worker) ?? []
    const refusals = made.filter(({ end }) => end === '429' || end === '500')
    if (any > made.length) find(`${any} outcomes of ${made.length} requests that ${worker} made`, ...made)
    else if (refused > refusals.length)
      find(
        `${refused} refused calls of ${worker}, of which the model refused ${refusals.length}`,
        ...refusals,
      )
  }
  return findings
}

/** What is counted is what the log says: of each task, each session and model, and over the days. */
export const costSums: Rule = ({ history, tasks }) => {
  const findings: Finding[] = []
  const compare = (what: string, counted: Counted | undefined, logged: Counted, place: object) => {
    const [found, expected] = [JSON.stringify(sumOf([counted ?? {}])), JSON.stringify(sumOf([logged]))]
    if (found !== expected)
      findings.push({ ...place, message: `${what} counts ${found}, the log ${expected}`, evidence: [] })
  }
  const sessions = new Map<string, Counted[]>()
  for (const { task_id, session_id, entries } of tasks.values()) {
    const logged = countersOf(entries)
    sessions.set(session_id, [...(sessions.get(session_id) ?? []), logged])
    compare('its record', history.costs.tasks[task_id], logged, { task_id, session_id })
  }
  for (const [session_id, logged] of sessions) {
    compare('its session', history.costs.sessions[session_id], sumOf(logged), { session_id })
    compare('the days', history.costs.days[session_id], sumOf(logged), { session_id })
  }
  compare('the models', history.costs.models, sumOf(Object.values(history.costs.days)), {})
  return findings
}
