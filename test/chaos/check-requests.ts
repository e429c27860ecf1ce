/** Rules about what callers were told: submissions, cancels and deletions are answered by what really happens. */
import { CLOCK_MS, type Finding, type Rule } from './check-facts.ts'
import type { Cancel, Submission } from './history.ts'

/** All tries of one key are one task; nothing is queued twice, in another session, or unasked. */
export const submissions: Rule = ({ history, tasks, submissions: known }) => {
  const queued = Map.groupBy([...tasks.values()], ({ marker }) => marker)
  const findings = history.submissions.flatMap((submission): Finding[] => {
    const { marker, session_id, tries } = submission
    const made = queued.get(marker) ?? []
    const told = new Set(tries.filter(isOk).flatMap(({ task_id }) => task_id ?? []))
    const first = made[0]?.task_id ?? [...told][0]
    const finding = (message: string): Finding[] => [
      {
        ...(first !== undefined && { task_id: first }),
        session_id,
        message,
        evidence: [submission, ...made.map(({ entries }) => entries[0])],
      },
    ]
    if (told.size > (submission.key === undefined ? tries.length : 1))
      return finding(`${marker}: tries of one key were answered with ${told.size} tasks`)
    if (submission.key !== undefined && tries.some(({ status }) => status === 409))
      return finding(`${marker}: a repeated submission was answered as a conflict`)
    if (made.length > mostOf(submission)) return finding(`${marker}: queued ${made.length} times`)
    const strange = [...told].find((id) => tasks.has(id) && tasks.get(id)?.marker !== marker)
    if (strange !== undefined) return finding(`${marker}: the answer named ${strange}, which is another task`)
    const elsewhere = made.find((task) => task.session_id !== session_id)
    return elsewhere ? finding(`${marker}: queued in session ${elsewhere.session_id}`) : []
  })
  for (const { task_id, session_id, marker, parent, entries } of tasks.values()) {
    if (parent !== undefined || (marker !== undefined && known.has(marker))) continue
    findings.push({
      task_id,
      session_id,
      message: 'a task that nobody submitted',
      evidence: entries.slice(0, 1),
    })
  }
  return findings
}

const isOk = ({ status }: { status: number }) => status >= 200 && status < 300

/** A keyless submission that broke may have been accepted all the same. */
const mostOf = ({ key, tries }: Submission): number =>
  key === undefined ? tries.filter((one) => isOk(one) || one.status === 0 || one.status >= 500).length : 1

/** Nobody knows whether these took effect. */
const UNKNOWN = [0, 503]

/** A cancel is answered by what becomes of the task, and no task ends cancelled unasked. */
export const cancels: Rule = ({ history, tasks, deletionsOf }) => {
  const findings: Finding[] = []
  for (const cancel of history.cancels) {
    const task = tasks.get(cancel.task_id)
    const wrong = wrongAnswer(cancel, task?.end)
    const gone = task && deletionsOf(task.session_id).some(({ sentAt }) => sentAt <= cancel.answeredAt)
    if (!task || wrong === undefined || (cancel.status === 404 && gone)) continue
    const { task_id, session_id } = task
    findings.push({ task_id, session_id, message: wrong, evidence: [cancel, task.end] })
  }
  const asked = Map.groupBy(
    history.cancels.filter(({ status }) => status === 200 || UNKNOWN.includes(status)),
    ({ task_id }) => task_id,
  )
  for (const { task_id, session_id, parent = '', end } of tasks.values()) {
    if (end?.type !== 'task_cancelled') continue
    const ofTask = [task_id, parent].flatMap((id) => asked.get(id) ?? [])
    const reasons = [...ofTask, ...deletionsOf(session_id)]
    if (reasons.some(({ sentAt }) => sentAt <= end.at + CLOCK_MS)) continue
    findings.push({
      task_id,
      session_id,
      message: 'cancelled, and nobody had asked for it',
      evidence: [end, ...reasons],
    })
  }
  return findings
}

/** Without an end, that is what is wrong with the task, not its cancel. */
const wrongAnswer = (cancel: Cancel, end: { type: string; at: number } | undefined): string | undefined => {
  if (UNKNOWN.includes(cancel.status)) return undefined
  if (cancel.status === 200)
    return end && end.type !== 'task_cancelled'
      ? `a cancel was accepted, and the end is ${end.type}`
      : undefined
  if (cancel.status !== 409) return `a cancel was answered ${cancel.status}`
  if (!end) return undefined
  if (end.type === 'task_cancelled') return 'a cancel was refused, and the task ended cancelled'
  return end.at > cancel.answeredAt + CLOCK_MS
    ? 'a cancel was refused while the task had not ended'
    : undefined
}

/** Of a session that was deleted nothing is left, and once that was confirmed nothing of it acts any more. */
export const deletions: Rule = ({ history, logOf, plans, tokensIn }) =>
  history.deletions.flatMap((deletion): Finding[] => {
    const { session_id, status, sentAt, answeredAt } = deletion
    const log = logOf(session_id)
    if (status === 404 && log?.some(({ at }) => at < sentAt - CLOCK_MS))
      return [
        {
          session_id,
          message: 'answered as unknown, and its log is there',
          evidence: [deletion, log.at(-1)],
        },
      ]
    if (![202, 204, 404, ...UNKNOWN].includes(status))
      return [{ session_id, message: `a deletion was answered ${status}`, evidence: [deletion] }]
    if (!isOk(deletion)) return []
    if (log)
      return [{ session_id, message: 'deleted, and its log is there', evidence: [deletion, log.at(-1)] }]
    if (status !== 204) return []
    const late = history.effects.filter(
      ({ token, at }) =>
        at > answeredAt + CLOCK_MS &&
        tokensIn(token).some(({ marker }) => plans.get(marker)?.session_id === session_id),
    )
    return late.length === 0
      ? []
      : [{ session_id, message: 'effects after its deletion was confirmed', evidence: [deletion, ...late] }]
  })
