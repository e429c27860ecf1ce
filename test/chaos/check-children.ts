/** Rules about children: each planned one once, made by its parent's call, and ended before its parent goes on. */
import {
  type Facts,
  type Finding,
  isEnd,
  type Rule,
  type StartedCall,
  succeeded,
  type TaskFacts,
  text,
} from './check-facts.ts'
import { compareIds } from './check-log.ts'
import type { LogEntry, PlannedCall } from './history.ts'

/**
 * A call's start and its children are in the log together; not more of them are at work than may be; until the last
 * has ended their parent does nothing; and its result tells of each answer.
 */
export const children: Rule = (facts) => [
  ...[...facts.started].flatMap(([token, call]) => judgeCall(token, call, facts)),
  ...[...facts.tasks.values()].flatMap((task) => judgeChild(task, facts)),
]

const judgeCall = (tokenText: string, call: StartedCall, facts: Facts): Finding[] => {
  const [token] = facts.tokensIn(tokenText)
  const planned = token && facts.planned(token)
  if (planned?.kind !== 'subagent') return []
  const { task, start } = call
  const made = [...facts.tasks.values()].filter((child) => callOf(child, facts) === tokenText)
  const wrong =
    wrongFamily(planned, made) ??
    wrongOrder(call, made) ??
    wrongCrowd(planned, made) ??
    wrongResult(call, made)
  if (wrong === undefined) return []
  const { task_id, session_id } = task
  const ends = made.map(({ end }) => end)
  return [
    { task_id, session_id, message: `${tokenText}: ${wrong}`, evidence: [start, ...ends, call.complete] },
  ]
}

/** The token that stands in the child's text. */
const callOf = ({ parent, entries: [first] }: TaskFacts, { tokensIn }: Facts): string | undefined =>
  parent === undefined || !first ? undefined : tokensIn(text(first, 'task'))[0]?.text

const wrongFamily = ({ subtasks = [] }: PlannedCall, made: readonly TaskFacts[]): string | undefined => {
  for (const { marker } of subtasks) {
    const count = made.filter((child) => child.marker === marker).length
    if (count !== 1) return `its child ${marker} is there ${count} times`
  }
  return made.length === subtasks.length
    ? undefined
    : `${made.length} children, planned were ${subtasks.length}`
}

const isBefore = (a: LogEntry, b: LogEntry) => compareIds(a.id, b.id) < 0

const wrongOrder = ({ task, start }: StartedCall, made: readonly TaskFacts[]): string | undefined => {
  const early = made.find(({ entries: [queued] }) => queued && isBefore(queued, start))
  if (early) return `its child ${early.marker} was there before it`
  const next = task.entries[task.entries.indexOf(start) + 1]
  if (!next) return undefined
  const open = made.find(({ end }) => !end || isBefore(next, end))
  if (open) return `${next.type} of the parent before its child ${open.marker} had ended`
  return next.type === 'task_resumed' || next.type === 'task_failed' || next.type === 'task_cancelled'
    ? undefined
    : `${next.type} of a task that waited`
}

const wrongCrowd = ({ atATime = 1 }: PlannedCall, made: readonly TaskFacts[]): string | undefined => {
  const entries = made.flatMap((child) => child.entries).toSorted((a, b) => compareIds(a.id, b.id))
  const atWork = new Set<string>()
  for (const entry of entries) {
    if (isEnd(entry)) atWork.delete(entry.task)
    if (entry.type === 'task_started') atWork.add(entry.task)
    if (atWork.size > atATime) return `${atWork.size} of its children at work, allowed were ${atATime}`
  }
  return undefined
}

const wrongResult = ({ complete }: StartedCall, made: readonly TaskFacts[]): string | undefined => {
  if (!complete || !succeeded(complete)) return undefined
  const answers = made.flatMap(({ end }) =>
    end?.type === 'task_complete' ? text(end, 'final_answer').trim() : [],
  )
  const missing = answers.find((answer) => !text(complete, 'result').includes(answer))
  return missing === undefined ? undefined : `its result has no word of ${JSON.stringify(missing)}`
}

/** A child's parent is a task of its session that is none itself, and started the call that stands in its text. */
const judgeChild = (child: TaskFacts, facts: Facts): Finding[] => {
  const { task_id, session_id, parent: parentId, entries } = child
  if (parentId === undefined) return []
  const finding = (message: string) => [{ task_id, session_id, message, evidence: entries.slice(0, 1) }]
  const parent = facts.tasks.get(parentId)
  if (parent?.session_id !== session_id) return finding(`a child of ${parentId}, which is not in its session`)
  if (parent.parent !== undefined) return finding('a child of a child')
  const call = facts.started.get(callOf(child, facts) ?? '')
  return call?.task === parent ? [] : finding(`a child that no call of ${parentId} in the log has made`)
}
