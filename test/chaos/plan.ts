/** What every task of a run will be told to do. The model server reads a task's plan out of its text. */
import type { EffectKind, ModelFault, Plan, PlannedCall, PlannedTurn } from './history.ts'
import type { Random } from './random.ts'
import type { Settings } from './settings.ts'

export interface PlannedTask {
  marker: string
  session_id: string
  /** Milliseconds from the start of the run. */
  atMs: number
  keyed: boolean
  plan: Plan
}

const TASKS_A_SESSION = 6
/** Of the run; what is left is for the last tasks to end in. */
const SUBMITTING = 0.85

const MODEL_FAULTS: readonly ModelFault[] = ['429', '500', 'disconnect', 'malformed']

export const planTasks = (settings: Settings, random: Random): PlannedTask[] => {
  const sessions = Math.max(3, Math.ceil(settings.tasks / (settings.calm ? 1 : TASKS_A_SESSION)))
  const spanMs = settings.minutes * 60_000 * SUBMITTING
  const tasks = Array.from({ length: settings.tasks }, (_, i): PlannedTask => {
    const marker = `m${i}`
    const atMs = (i / settings.tasks) * spanMs
    // Sessions come and go over the run, a few tasks each, so that their lines stay short enough to end.
    const session = Math.min(sessions - 1, Math.floor((i / settings.tasks) * sessions + random.between(0, 3)))
    return {
      marker,
      session_id: `chaos-${session}`,
      atMs,
      keyed: random.chance(0.9),
      plan: { marker, turns: planTurns(settings, random, marker) },
    }
  })
  return tasks
}

const planTurns = (settings: Settings, random: Random, marker: string): PlannedTurn[] => {
  const turns = Array.from({ length: random.integer(1, 3) }, (_, turn): PlannedTurn => {
    const calls = Array.from({ length: random.pick([1, 1, 1, 2]) }, (__, index) =>
      random.chance(SUBAGENTS)
        ? planSubagents(settings, random, `${marker}-${turn}-${index}`)
        : planCall(settings, random),
    )
    return { calls, ...planModel(settings, random) }
  })
  return [...turns, { calls: [], ...planModel(settings, random) }]
}

const planModel = (settings: Settings, random: Random): Pick<PlannedTurn, 'modelMs' | 'fault'> => {
  // In calm the streams are long, so that cancels meet them.
  const long = random.chance(settings.calm ? 0.8 : 0.1)
  const modelMs = Math.round(long ? random.between(500, 2500) : random.between(20, 300))
  if (settings.calm) return { modelMs }
  // A silent endpoint costs the idle time-out of a minute: only long runs have the time.
  if (settings.minutes >= 3 && random.chance(0.002)) return { modelMs, fault: 'silence' }
  return random.chance(0.04) ? { modelMs, fault: random.pick(MODEL_FAULTS) } : { modelMs }
}

/** Of the calls of a submitted task. */
const SUBAGENTS = 0.06

/** A child has few iterations, so its plan is short. */
const planSubagents = (settings: Settings, random: Random, marker: string): PlannedCall => {
  const subtasks = Array.from({ length: random.integer(1, 4) }, (_, i): Plan => {
    const calls = Array.from({ length: random.integer(0, 2) }, () => planCall(settings, random))
    const turns = [{ calls, ...planModel(settings, random) }]
    if (calls.length > 0) turns.push({ calls: [], ...planModel(settings, random) })
    return { marker: `${marker}-${i}`, turns }
  })
  return { kind: 'subagent', beforeMs: 0, afterMs: 0, subtasks, atATime: random.integer(1, 3) }
}

const planCall = (settings: Settings, random: Random): PlannedCall => {
  const kind = random.pick<EffectKind | 'read'>(['ledger', 'ledger', 'ledger', 'http', 'file', 'read'])
  // Some sleep longer than a lease before they act: what a stopped worker's command must not do.
  const long = !settings.calm && random.chance(0.04)
  return {
    kind,
    beforeMs: Math.round(long ? random.between(6000, 9000) : random.between(0, 250)),
    afterMs: Math.round(random.between(0, 120)),
    detached: kind === 'ledger' && random.chance(0.2),
  }
}

const MARK = 'CHAOS '

export const taskText = (plan: Plan): string => `${MARK}${JSON.stringify(plan)}`

/** Undefined when the text is none of ours. */
export const planOf = (text: string): Plan | undefined =>
  text.startsWith(MARK) ? (JSON.parse(text.slice(MARK.length)) as Plan) : undefined
