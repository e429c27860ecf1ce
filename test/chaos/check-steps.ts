/** Only legal transitions: each event of a task is one that the events before it allow. */
import { type Finding, isEnd, number, type Rule, succeeded, type TaskFacts, text } from './check-facts.ts'
import type { LogEntry } from './history.ts'

/** Where a task stands after some of its events. */
interface Stand {
  queued: boolean
  started: boolean
  attempt: number
  iteration: number
  maxIterations: number
  /** `thinking`: no answer yet; `answered`: its calls run; `closed`: iteration_complete is there. */
  phase: 'thinking' | 'answered' | 'closed'
  /** Call ids of the last answer. */
  asked: Set<string>
  begun: Set<string>
  done: Set<string>
  /** It started a call that children answer, and nobody has gone on with it since. */
  waited: boolean
}

export const legalSteps: Rule = ({ tasks }) => [...tasks.values()].flatMap(judgeTask)

const judgeTask = ({ task_id, session_id, entries, end }: TaskFacts): Finding[] => {
  const stand: Stand = {
    queued: false,
    started: false,
    attempt: 0,
    iteration: 0,
    maxIterations: 0,
    phase: 'closed',
    asked: new Set(),
    begun: new Set(),
    done: new Set(),
    waited: false,
  }
  // What comes after the end is another rule's.
  const judged = end ? entries.slice(0, entries.indexOf(end) + 1) : entries
  return judged.flatMap((entry, i) => {
    const wrong = step(stand, entry)
    if (wrong === undefined) return []
    return [{ task_id, session_id, message: `${entry.type}: ${wrong}`, evidence: [judged[i - 1], entry] }]
  })
}

/** Takes the step, legal or not, so that one wrong event is reported once. Returns what is wrong with it. */
const step = (stand: Stand, entry: LogEntry): string | undefined => {
  if (entry.type === 'task_queued') {
    const again = stand.queued || stand.started
    stand.queued = true
    return again ? 'it was queued before' : undefined
  }
  if (!stand.queued) {
    stand.queued = true
    return 'its first event is not task_queued'
  }
  if (entry.type === 'task_started' || entry.type === 'task_resumed') return activate(stand, entry)
  if (entry.type === 'task_complete') return complete(stand)
  if (isEnd(entry)) return undefined
  if (!stand.started) return 'it has not started'
  switch (entry.type) {
    case 'iteration_start':
      return startIteration(stand, entry)
    case 'think_complete':
      return answer(stand, entry)
    case 'tool_call_start':
      return startCall(stand, entry)
    case 'tool_call_complete':
      return completeCall(stand, entry)
    case 'iteration_complete':
      return closeIteration(stand, entry)
    default:
      return undefined
  }
}

const activate = (stand: Stand, entry: LogEntry) => {
  const before = stand.attempt
  const wasStarted = stand.started
  stand.attempt = number(entry, 'attempt')
  stand.started = true
  if (entry.type === 'task_started' && wasStarted) return 'it had started before'
  if (entry.type === 'task_resumed' && !wasStarted) return 'it had not started'
  if (entry.data['reason'] === 'woken' && !stand.waited) return 'it was woken and had not waited'
  stand.waited = false
  return stand.attempt > before ? undefined : `attempt ${stand.attempt} after attempt ${before}`
}

const startIteration = (stand: Stand, entry: LogEntry) => {
  const { iteration: before, phase } = stand
  stand.iteration = number(entry, 'iteration')
  stand.maxIterations = number(entry, 'max_iterations')
  stand.phase = 'thinking'
  stand.asked = new Set()
  if (stand.iteration !== before + 1) return `iteration ${stand.iteration} after ${before}`
  return phase === 'closed' ? undefined : `iteration ${before} is not complete`
}

const answer = (stand: Stand, entry: LogEntry) => {
  const { phase, maxIterations } = stand
  const open = openCalls(stand)
  stand.phase = 'answered'
  stand.asked = new Set(
    ((entry.data['tool_calls'] ?? []) as { call_id: string }[]).map((call) => call.call_id),
  )
  const outside = outsideIteration(stand, entry, phase)
  if (outside !== undefined) return outside
  if (phase === 'thinking') return undefined
  // Only a task that used up its iterations is asked again within one: for its final answer.
  if (stand.iteration < maxIterations) return `iteration ${stand.iteration} has its answer already`
  return open.length > 0 ? `calls have no result yet: ${open.join(', ')}` : undefined
}

const startCall = (stand: Stand, entry: LogEntry) => {
  const id = text(entry, 'call_id')
  const twice = stand.begun.has(id)
  stand.begun.add(id)
  stand.waited ||= entry.data['effect'] === 'durable'
  if (twice) return `call ${id} had started before`
  if (!stand.asked.has(id)) return `the last answer asked for no call ${id}`
  if (stand.done.has(id)) return `call ${id} has its result already`
  return outsideIteration(stand, entry, stand.phase)
}

/** A call that never started may be closed when its task is stopped, but it has nothing to show. */
const completeCall = (stand: Stand, entry: LogEntry) => {
  const id = text(entry, 'call_id')
  const twice = stand.done.has(id)
  stand.done.add(id)
  if (twice) return `call ${id} had a result before`
  if (!stand.asked.has(id)) return `the last answer asked for no call ${id}`
  return succeeded(entry) && !stand.begun.has(id) ? `call ${id} never started` : undefined
}

const closeIteration = (stand: Stand, entry: LogEntry) => {
  const { phase } = stand
  stand.phase = 'closed'
  if (phase === 'thinking') return 'the iteration has no answer'
  const open = openCalls(stand)
  if (open.length > 0) return `calls have no result: ${open.join(', ')}`
  return outsideIteration(stand, entry, phase)
}

const complete = (stand: Stand) => {
  if (!stand.started) return 'it has not started'
  const open = openCalls(stand)
  if (open.length > 0) return `calls have no result: ${open.join(', ')}`
  if (stand.phase !== 'closed' || stand.iteration === 0) return 'its last iteration is not complete'
  return stand.asked.size > 0 ? 'the last answer asked for calls, so it is no final one' : undefined
}

const openCalls = ({ asked, done }: Stand): string[] => [...asked].filter((id) => !done.has(id))

const outsideIteration = (stand: Stand, entry: LogEntry, phase: Stand['phase']) => {
  const iteration = number(entry, 'iteration')
  if (iteration !== stand.iteration) return `of iteration ${iteration} during iteration ${stand.iteration}`
  return phase === 'closed' ? `iteration ${iteration} is not under way` : undefined
}
