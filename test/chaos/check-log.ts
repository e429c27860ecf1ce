/** Rules about each task's place in the logs: it ends once, is numbered without a gap, takes its turn. */
import { type Finding, isEnd, type Rule } from './check-facts.ts'

/** Each accepted task has exactly one terminal event, and nothing after it, unless its session was deleted. */
export const endsOnce: Rule = ({ history, tasks, deletionsOf }) => {
  const findings: Finding[] = []
  for (const { task_id, session_id, entries, end } of tasks.values()) {
    const find = (message: string, evidence: unknown[]) =>
      findings.push({ task_id, session_id, message, evidence })
    if (!end) {
      find('it never ended', entries.slice(-1))
      continue
    }
    const later = entries.slice(entries.indexOf(end) + 1)
    if (later.some(isEnd)) find('it ended more than once', entries.filter(isEnd))
    const others = later.filter((entry) => !isEnd(entry))
    if (others.length > 0) find(`events after its ${end.type}`, [end, ...others])
  }
  for (const submission of history.submissions) {
    const { session_id } = submission
    if (deletionsOf(session_id).length > 0) continue
    for (const task_id of new Set(acceptedIds(submission.tries))) {
      if (tasks.has(task_id)) continue
      const message = `accepted (${submission.marker}) and lost: no log has it`
      findings.push({ task_id, session_id, message, evidence: submission.tries })
    }
  }
  return findings
}

const acceptedIds = (tries: readonly { status: number; task_id?: string }[]): string[] =>
  tries.filter(({ status }) => status === 200 || status === 201).flatMap(({ task_id }) => task_id ?? [])

/** `seq` is 1, 2, 3 … in log order, and a log's ids ascend. */
export const numbering: Rule = ({ history, tasks }) => {
  const findings: Finding[] = []
  for (const { task_id, session_id, entries } of tasks.values()) {
    const wrong = entries.findIndex((entry, i) => entry.seq !== i + 1)
    if (wrong < 0) continue
    const message = `event ${wrong + 1} has seq ${entries[wrong]?.seq}`
    findings.push({
      task_id,
      session_id,
      message,
      evidence: entries.slice(Math.max(0, wrong - 1), wrong + 1),
    })
  }
  for (const [session_id, log] of Object.entries(history.logs)) {
    for (const [i, entry] of log.entries()) {
      const before = log[i - 1]
      if (!before || compareIds(before.id, entry.id) < 0) continue
      const message = `log id ${entry.id} does not come after ${before.id}`
      findings.push({ task_id: entry.task, session_id, message, evidence: [before, entry] })
    }
  }
  return findings
}

export const compareIds = (a: string, b: string): number => {
  const [aMs = 0, aSeq = 0] = a.split('-').map(Number)
  const [bMs = 0, bSeq = 0] = b.split('-').map(Number)
  return aMs - bMs || aSeq - bSeq
}

/**
 * Tasks of one session run one after another in the order they were submitted: when one starts, all before it
 * have ended. Children take no turn, and a scheduled task joins its line only when its time has come.
 */
export const sessionOrder: Rule = ({ history, tasks }) => {
  const findings: Finding[] = []
  for (const [session_id, log] of Object.entries(history.logs)) {
    const line: string[] = []
    const ended = new Set<string>()
    for (const entry of log) {
      const task_id = entry.task
      if (isEnd(entry)) ended.add(task_id)
      if (
        entry.type === 'task_queued' &&
        tasks.get(task_id)?.parent === undefined &&
        entry.data['run_at'] === undefined
      )
        line.push(task_id)
      if (entry.type !== 'task_started' && entry.type !== 'task_resumed') continue
      const place = line.indexOf(task_id)
      const unended = line.slice(0, Math.max(0, place)).find((earlier) => !ended.has(earlier))
      if (unended === undefined) continue
      const message = `${entry.type} before ${unended}, which is ahead of it in the session's line, had ended`
      findings.push({ task_id, session_id, message, evidence: [entry, tasks.get(unended)?.end] })
    }
  }
  return findings
}
