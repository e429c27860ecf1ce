/** Makes a history agree with itself again after its logs were changed. */
import { countersOf, sumOf } from './check-spending.ts'
import type { History } from './history.ts'

/** Gives each entry the id and seq of its place. */
export const number = (history: History): void => {
  for (const log of Object.values(history.logs)) {
    const seqs = new Map<string, number>()
    for (const [i, entry] of log.entries()) {
      entry.seq = (seqs.get(entry.task) ?? 0) + 1
      entry.id = `${history.startedAt + i}-0`
      seqs.set(entry.task, entry.seq)
    }
  }
}

/** The service has counted what its logs say. */
export const count = ({ logs, costs }: History): void => {
  for (const [session, log] of Object.entries(logs)) {
    const tasks = Map.groupBy(log, ({ task }) => task)
    for (const [task, entries] of tasks) costs.tasks[task] = countersOf(entries)
    costs.sessions[session] = costs.days[session] = countersOf(log)
  }
  costs.models = sumOf(Object.values(costs.days))
}

/** Readers see what the logs have: a session's all, or all but its beginning; a task's all, or its beginning. */
export const mirror = (history: History): void => {
  for (const reader of history.readers) {
    const { follows } = reader
    const whole =
      'session_id' in follows ? history.logs[follows.session_id] : Object.values(history.logs).flat()
    if (!whole) continue
    const due = 'task_id' in follows ? whole.filter(({ task }) => task === follows.task_id) : whole
    const seen = reader.finished ? due.slice('task_id' in follows || reader.replay ? 0 : 3) : due.slice(0, 4)
    reader.events = seen.map(({ id, task, seq, type }) => ({ id, task_id: task, seq, type }))
  }
}
