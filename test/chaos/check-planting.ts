/** What a planted violation is, and how to get at the place where the example is broken. */
import { count, mirror, number } from './check-mirror.ts'
import type { Cancel, Effect, History, LogEntry, ModelCall, Reader, Submission } from './history.ts'

export interface Plant {
  /** Completes "notices that …". */
  title: string
  /** Breaks it in place. */
  plant: (history: History) => void
  rule: string
  /** Rules that notice too. */
  also?: string[]
}

/** A row of a table of one rule's plants. */
export type Row = [title: string, plant: Plant['plant'], also?: string[] | undefined]
export const against =
  (rule: string) =>
  ([title, plant, also = []]: Row): Plant => ({ title, plant, rule, also })

/** The change, with ids, seqs and readers as if the service had written the log that way. */
export const settled =
  (change: (history: History) => void) =>
  (history: History): void => {
    change(history)
    number(history)
    count(history)
    mirror(history)
  }

/** The change of the log, as each reader then sees it. */
export const mirrored =
  (change: (history: History) => void) =>
  (history: History): void => {
    change(history)
    mirror(history)
  }

/** The task's `nth` event of that type. */
export const entryOf = (history: History, marker: string, type: string, nth = 0): LogEntry =>
  found(
    Object.values(history.logs)
      .flat()
      .filter((entry) => entry.task === `task-${marker}` && entry.type === type)[nth],
  )
const logWith = (history: History, entry: LogEntry): LogEntry[] =>
  found(Object.values(history.logs).find((log) => log.includes(entry)))

export const remove = (history: History, ...entries: LogEntry[]): void => {
  for (const entry of entries) {
    const log = logWith(history, entry)
    log.splice(log.indexOf(entry), 1)
  }
}
export const insertAfter = (history: History, entry: LogEntry, change: Partial<LogEntry>): void => {
  const log = logWith(history, entry)
  log.splice(log.indexOf(entry) + 1, 0, { ...structuredClone(entry), ...change })
}
export const moveAfter = (history: History, entry: LogEntry, other: LogEntry): void => {
  remove(history, entry)
  const log = logWith(history, other)
  log.splice(log.indexOf(other) + 1, 0, entry)
}

/** The effect whose token begins so. */
export const effectOf = (history: History, token: string): Effect =>
  found(history.effects.find((effect) => effect.token.startsWith(`${token}.`)))
export const modelCallOf = (history: History, marker: string, nth: number): ModelCall =>
  found(history.modelCalls.filter((call) => call.marker === marker)[nth])
export const submissionOf = (history: History, marker: string): Submission =>
  found(history.submissions.find((submission) => submission.marker === marker))
export const cancelOf = (history: History, marker: string): Cancel =>
  found(history.cancels.find(({ task_id }) => task_id === `task-${marker}`))
export const readerOf = (history: History, name: string): Reader =>
  found(history.readers.find((reader) => reader.name === name))

/** A second life of a task that was cancelled in its line, under another id. */
export const copyWaiting = (history: History, session_id: string): LogEntry[] => {
  const copies = ['task_queued', 'task_cancelled'].map((type) => ({
    ...structuredClone(entryOf(history, 'waiting', type)),
    task: 'task-copy',
  }))
  history.logs[session_id] = [...(history.logs[session_id] ?? []), ...copies]
  history.cancels.push({ ...cancelOf(history, 'waiting'), task_id: 'task-copy' })
  return copies
}

const found = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the example has no such thing')
  return value
}
