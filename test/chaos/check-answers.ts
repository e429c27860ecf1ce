/** Rules about whose events stand in the log: those of the activation that holds the task, and of its own answers. */
import { CLOCK_MS, type Facts, type Finding, number, type Rule, type TaskFacts, text } from './check-facts.ts'
import type { LogEntry, ModelCall } from './history.ts'

/**
 * No event of an activation that had lapsed: an answer in the log was given to the worker that the latest
 * task_started or task_resumed names, and after that; a call runs what the last answer in the log asked for; and
 * what a lost worker had under way is answered for as interrupted, never by a late result.
 */
export const noLapsedActivation: Rule = (facts) => {
  const { history, tasks } = facts
  const workers = new Map(history.workers.map(({ name, worker_id }) => [name, worker_id]))
  return [...tasks.values()].flatMap((task) => judgeActivations(task, facts, workers))
}

const judgeActivations = (
  task: TaskFacts,
  { tokensIn }: Facts,
  workers: ReadonlyMap<string, string | undefined>,
): Finding[] => {
  const { task_id, session_id, entries, answers } = task
  const findings: Finding[] = []
  const find = (message: string, ...evidence: unknown[]) =>
    findings.push({ task_id, session_id, message, evidence })
  let holder: LogEntry | undefined
  /** In the log when the holder began. */
  let iteration = 0
  let current = 0
  let asked: Set<string> | undefined
  const startedBefore = new Set<string>()
  const underWay = new Set<string>()
  for (const entry of entries) {
    const id = text(entry, 'call_id')
    switch (entry.type) {
      case 'task_started':
      case 'task_resumed':
        holder = entry
        iteration = current
        for (const call of underWay) startedBefore.add(call)
        break
      case 'iteration_start':
        current = number(entry, 'iteration')
        break
      case 'think_complete': {
        const answer = answers.find((one) => one.entry === entry)
        asked = new Set(answer?.calls.flatMap(({ tokens }) => tokens.map((token) => token.text)))
        const model = answer?.models[0]
        if (!holder || !model) break
        const gaveTo = workers.get(model.worker)
        if (gaveTo !== undefined && gaveTo !== text(holder, 'worker'))
          find(
            `an answer given to ${gaveTo} while ${text(holder, 'worker')} held the task`,
            holder,
            model,
            entry,
          )
        // Only the task's very first question may be put before the log has the activation that puts it.
        else if ((iteration > 0 || number(entry, 'iteration') > 1) && model.at < holder.at - CLOCK_MS)
          find('an answer to a question that was put before this activation began', holder, model, entry)
        break
      }
      case 'tool_call_start': {
        if (isWrite(entry)) underWay.add(id)
        const strange = tokensIn(entry.data['arguments']).find((token) => !asked?.has(token.text))
        if (strange)
          find(`a call of an answer that is not the last in the log: ${strange.text}`, holder, entry)
        break
      }
      case 'tool_call_complete':
        if (startedBefore.has(id) && entry.data['interrupted'] !== true)
          find('the result of a call that a lost activation had under way', holder, entry)
        startedBefore.delete(id)
        underWay.delete(id)
        break
      default:
        break
    }
  }
  return findings
}

const isWrite = (start: LogEntry) => ['write', 'external'].includes(text(start, 'effect'))

/**
 * Each answer in the log was given by the model, whole and unmixed, for this task and the turn that it stands at,
 * once. (A run's `max_iterations` is above its plans' turns: on the last one calls would be dropped by design.)
 */
export const modelAnswers: Rule = ({ tasks, plannedCalls }) =>
  [...tasks.values()].flatMap(({ task_id, session_id, marker, answers }) => {
    const turns = new Map<number, ModelCall>()
    return answers.flatMap(({ entry, models, calls }, place): Finding[] => {
      const finding = (message: string) => [{ task_id, session_id, message, evidence: [...models, entry] }]
      const [model, other] = models
      if (!model) return finding('an answer that the model never gave')
      if (other) return finding(`an answer mixed of ${model.nonce} and ${other.nonce}`)
      if (model.text !== undefined && model.text.trim() !== text(entry, 'content').trim())
        return finding(`its text is ${JSON.stringify(text(entry, 'content'))}`)
      const before = turns.get(model.turn)
      turns.set(model.turn, model)
      if (marker !== undefined && model.marker !== marker) return finding(`an answer to ${model.marker}`)
      if (before) return finding(`two answers to turn ${model.turn}: ${before.nonce} and ${model.nonce}`)
      if (model.end !== 'answered') return finding(`an answer that ended ${model.end}`)
      if (model.turn !== place) return finding(`the answer to turn ${model.turn} stands at turn ${place}`)
      const planned = plannedCalls(model.marker, model.turn)?.length
      return calls.length === planned ? [] : finding(`an answer with ${calls.length} of its ${planned} calls`)
    })
  })
