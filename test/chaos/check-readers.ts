/** What clients of the event streams saw is what the logs have: nothing lost, nothing twice, in order. */
import { type Facts, type Finding, isEnd, type Rule } from './check-facts.ts'
import { compareIds } from './check-log.ts'
import type { LogEntry, Reader } from './history.ts'

export const readers: Rule = (facts) => facts.history.readers.flatMap((reader) => judge(reader, facts))

const judge = (reader: Reader, facts: Facts): Finding[] => {
  const { follows, events } = reader
  const task = 'task_id' in follows ? facts.tasks.get(follows.task_id) : undefined
  const session_id = 'session_id' in follows ? follows.session_id : task?.session_id
  const log = task?.entries ?? ('session_id' in follows ? facts.logOf(follows.session_id) : undefined)
  const wrong = log ? againstLog(reader, log) : byItself(events)
  if (!wrong) return []
  return [
    {
      ...('task_id' in follows ? { task_id: follows.task_id } : wrong.task_id && { task_id: wrong.task_id }),
      ...(session_id !== undefined && { session_id }),
      message: `reader "${reader.name}": ${wrong.message}`,
      evidence: [...wrong.evidence, ...reader.connects.slice(-3)],
    },
  ]
}

type Seen = Reader['events'][number]

/** A reader's part of the log begins at its first event (a task's at the task's first) and has no gap. */
const againstLog = (reader: Reader, log: readonly LogEntry[]): Finding | undefined => {
  const { follows, events, connects, finished } = reader
  const fromStart = 'task_id' in follows || reader.replay === 'all'
  const entries = new Map(log.map((entry) => [entry.id, entry]))
  const invented = events.find((event) => !isSame(event, entries.get(event.id)))
  if (invented) return finding('saw an event that is not in the log', invented)
  const begin = fromStart ? 0 : log.findIndex(({ id }) => id === events[0]?.id)
  const due = log.slice(Math.max(0, begin))
  for (const [i, event] of events.entries()) {
    const entry = due[i]
    if (isSame(event, entry)) continue
    const twice = events.slice(0, i).some(({ id }) => id === event.id)
    return finding(twice ? 'saw an event twice' : 'missed an event or saw it out of order', event, entry)
  }
  if ('task_id' in follows && connects.some(({ status }) => status === 404))
    return finding('was told that the task does not exist')
  const missed = due[events.length]
  if (!finished || !missed || !connects.some(({ status }) => status === 200 || status === 204))
    return undefined
  return finding(`never saw the last ${due.length - events.length} events`, missed)
}

const isSame = (event: Seen, entry: LogEntry | undefined) =>
  entry !== undefined &&
  event.id === entry.id &&
  event.task_id === entry.task &&
  event.seq === entry.seq &&
  event.type === entry.type

/** Its log was deleted: what it saw must still be in order, without a gap within a task, and nothing after an end. */
const byItself = (events: readonly Seen[]): Finding | undefined => {
  const last = new Map<string, Seen>()
  for (const [i, event] of events.entries()) {
    const before = events[i - 1]
    if (before && compareIds(before.id, event.id) >= 0)
      return finding('saw ids that do not ascend', before, event)
    const previous = last.get(event.task_id)
    last.set(event.task_id, event)
    if (!previous) continue
    if (event.seq !== previous.seq + 1) return finding('missed an event of a task', previous, event)
    if (isEnd(previous)) return finding('saw an event after the end of its task', previous, event)
  }
  return undefined
}

const finding = (message: string, ...found: (Seen | LogEntry | undefined)[]): Finding => {
  const first = found[0]
  const task_id = first === undefined ? undefined : 'task_id' in first ? first.task_id : first.task
  return { ...(task_id !== undefined && { task_id }), message, evidence: found }
}
