/** What a run took: recovery, hand-over and cancel times, read off its history. Milliseconds. */
import type { Fault, History, LogEntry } from './history.ts'

export interface Spread {
  count: number
  p50: number
  p95: number
  p99: number
  max: number
}

const spreadOf = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] ?? 0
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: sorted.at(-1) ?? 0 }
}

const OPENING = ['task_started', 'task_resumed']
const TERMINAL = ['task_complete', 'task_failed', 'task_cancelled']

interface Span {
  task: string
  worker: string
  from: number
  until: number
  /** Its last event, and the one that opened the next span. */
  lastAt: number
  next?: LogEntry
  /** Workers lost in a row without an iteration begun and finished, this span's included when it was lost. */
  losses: number
}

const isLoss = (entry: LogEntry | undefined) => entry?.data['reason'] === 'worker_lost'

/** When each worker worked on which task, as the logs tell it. */
const spansOf = (history: History): Span[] =>
  Object.values(history.logs).flatMap((log) =>
    [...Map.groupBy(log, (entry) => entry.task).values()].flatMap(spansOfTask),
  )

const spansOfTask = (entries: readonly LogEntry[]): Span[] => {
  const spans: Span[] = []
  let losses = 0
  let begun: unknown
  for (const entry of entries) {
    const { task, at, type, data } = entry
    if (OPENING.includes(type)) {
      const open = spans.at(-1)
      if (isLoss(entry)) losses += 1
      if (open) Object.assign(open, { until: at, next: entry, losses })
      begun = undefined
      const worker = String(data['worker'])
      spans.push({ task, worker, from: at, until: Number.POSITIVE_INFINITY, lastAt: at, losses: 0 })
    }
    if (type === 'iteration_start') begun = data['iteration']
    if (type === 'iteration_complete' && data['iteration'] === begun) losses = 0
    const now = spans.at(-1)
    if (now) now.lastAt = at
    // A task that waits for children has no worker.
    if (now && (TERMINAL.includes(type) || data['effect'] === 'durable')) now.until = at
  }
  return spans
}

/** Milliseconds between `from` and `until` in which every living worker was full. */
const fullMs = (history: History, spans: readonly Span[], from: number, until: number): number => {
  let full = 0
  for (let at = from; at < until; at += 10) {
    const slots = history.workers
      .filter(
        ({ readyAt = Number.POSITIVE_INFINITY, endedAt = Number.POSITIVE_INFINITY }) =>
          readyAt <= at && at < endedAt,
      )
      .reduce((sum, { slots: each }) => sum + each, 0)
    const busy = spans.filter((span) => span.from <= at && at < span.until).length
    if (busy >= slots) full += 10
  }
  return full
}

const overlaps = (fault: Fault, from: number, until: number) =>
  fault.at <= until && (fault.until ?? fault.at) >= from

/**
 * From a worker's kill to `task_resumed` of each task it held, less the time no slot was free. `alone`: neither
 * Redis nor another worker was killed or frozen meanwhile (it may have been the one that took the task up); `again`: of
 * these a further loss in a row, after which a task looks for a worker without another such one.
 */
export const recoveries = (history: History): { all: Spread; alone: Spread; again: Spread } => {
  const spans = spansOf(history)
  const idOf = new Map(history.workers.map((life) => [life.name, life.worker_id]))
  const outages = history.faults.filter(({ kind }) => kind === 'kill_redis')
  const others = history.faults.filter(({ kind }) => kind === 'kill_worker' || kind === 'stop_worker')
  const found = history.faults
    .filter((fault) => fault.kind === 'kill_worker')
    .flatMap((fault) => {
      const lost = spans.filter(
        (span) => span.worker === idOf.get(fault.target) && span.from <= fault.at && fault.at < span.until,
      )
      return lost.flatMap(({ next, losses }) => {
        if (!next || !isLoss(next)) return []
        const ms = next.at - fault.at - fullMs(history, spans, fault.at, next.at)
        const alone =
          !outages.some((outage) => overlaps(outage, fault.at - 4000, next.at)) &&
          !others.some((other) => other !== fault && overlaps(other, fault.at, next.at))
        return [{ ms, alone, again: alone && losses > 1 }]
      })
    })
  return {
    all: spreadOf(found.map(({ ms }) => ms)),
    alone: spreadOf(found.filter(({ alone }) => alone).map(({ ms }) => ms)),
    again: spreadOf(found.filter(({ again }) => again).map(({ ms }) => ms)),
  }
}

/**
 * From the last finished step of a task on a draining worker to its `task_resumed`. `alone`: those during which
 * nothing else was broken (a worker may also be killed between the release and its ticket).
 */
export const handOvers = (history: History): { all: Spread; alone: Spread } => {
  const spans = spansOf(history)
  const found = spans.flatMap(({ next, lastAt, from, until }) => {
    if (next?.data['reason'] !== 'drained') return []
    const ms = next.at - lastAt - fullMs(history, spans, Math.max(from, lastAt), until)
    const others = history.faults.filter(
      (fault) => fault.kind !== 'drain_worker' && overlaps(fault, lastAt - 1000, next.at),
    )
    return [{ ms, alone: others.length === 0 }]
  })
  return {
    all: spreadOf(found.map(({ ms }) => ms)),
    alone: spreadOf(found.filter(({ alone }) => alone).map(({ ms }) => ms)),
  }
}

/** From a cancel that was accepted to the end of the model stream it broke off. */
export const cancelTimes = (history: History): Spread => {
  const markerOf = new Map(
    history.submissions.flatMap(({ marker, tries }) =>
      tries.flatMap(({ task_id }) => (task_id === undefined ? [] : [[task_id, marker] as const])),
    ),
  )
  return spreadOf(
    history.cancels
      .filter(({ status }) => status === 200)
      .flatMap(({ task_id, sentAt }) => {
        const open = history.modelCalls.find(
          (call) =>
            call.marker === markerOf.get(task_id) &&
            call.at <= sentAt &&
            call.closedAt >= sentAt &&
            call.end === 'closed_by_client',
        )
        return open ? [open.closedAt - sentAt] : []
      }),
  )
}

export const faultCounts = (history: History): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { kind, point } of history.faults) {
    counts[kind] = (counts[kind] ?? 0) + 1
    if (point !== undefined) counts[`${kind} (${point})`] = (counts[`${kind} (${point})`] ?? 0) + 1
  }
  for (const { end } of history.modelCalls)
    if (end !== 'answered' && end !== 'closed_by_client')
      counts[`model ${end}`] = (counts[`model ${end}`] ?? 0) + 1
  return counts
}
