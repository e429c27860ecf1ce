/** Violations as a person reads them: what is wrong, and the whole history of each task that it is wrong with. */
import { text as textOf, type Violation } from './check-facts.ts'
import type { History, LogEntry } from './history.ts'

/** Tasks told whole in one report; a run that broke everything is not read to its end. */
const MOST_TASKS = 20
const MOST_CHARS = 600

export const formatViolations = (history: History, violations: readonly Violation[]): string => {
  if (violations.length === 0) return `seed ${history.seed}: no violations`
  const groups = [...Map.groupBy(violations, subjectOf)]
  const counts = [...Map.groupBy(violations, ({ rule }) => rule)]
  return [
    `seed ${history.seed}: ${violations.length} violations (${counts.map(([rule, found]) => `${found.length} ${rule}`).join(', ')})`,
    `settings ${JSON.stringify(history.settings)}`,
    ...groups.slice(0, MOST_TASKS).map(([, found]) => groupText(history, found)),
    ...(groups.length > MOST_TASKS ? [`… and ${groups.length - MOST_TASKS} more tasks and sessions`] : []),
  ].join('\n\n')
}

const subjectOf = ({ task_id, session_id }: Violation): string => task_id ?? `session ${session_id ?? ''}`

const groupText = (history: History, [first, ...others]: readonly Violation[]): string => {
  if (!first) return ''
  const { task_id, session_id } = first
  const subject = [task_id && `task ${task_id}`, session_id && `session ${session_id}`]
    .filter(Boolean)
    .join(', ')
  const found = [first, ...others].flatMap(({ rule, message, evidence }) => [
    `[${rule}] ${message}`,
    ...evidence.filter((one) => one !== undefined).map((one) => `    ${shown(one)}`),
  ])
  const lines = task_id === undefined ? [] : taskLines(history, task_id)
  return [
    `seed ${history.seed}, ${subject || 'the whole run'}`,
    ...found,
    ...lines.map((line) => `  ${line}`),
  ].join('\n')
}

interface Line {
  at: number
  said: string
}

/** All that is known about a task, merged by time: seconds since the run began, where it was seen, what. */
const taskLines = (history: History, taskId: string): string[] => {
  const log = Object.values(history.logs)
    .flat()
    .filter(({ task }) => task === taskId)
  const own = [
    ...log.map(logLine),
    ...requestLines(history, taskId),
    ...actLines(history, markersOf(history, taskId, log)),
  ]
  const from = Math.min(...own.map(({ at }) => at))
  const to = Math.max(...own.map(({ at }) => at))
  const faults = history.faults
    .filter(({ at, until = at }) => at <= to && until >= from)
    .flatMap(({ kind, target, at, until }): Line[] => [
      { at, said: `FAULT   ${kind} ${target}` },
      ...(until === undefined || until === at
        ? []
        : [{ at: until, said: `FAULT   ${kind} ${target} is over` }]),
    ])
  return [...own, ...faults]
    .toSorted((a, b) => a.at - b.at)
    .map(({ at, said }) => `${((at - history.startedAt) / 1000).toFixed(3).padStart(9)} ${said}`)
}

const logLine = ({ id, seq, at, type, data }: LogEntry): Line => ({
  at,
  said: `log     ${id} #${seq} ${type} ${shown(data)}`,
})

/** What the task's text is marked with, whether or not the log has it. */
const markersOf = (history: History, taskId: string, log: readonly LogEntry[]): Set<string> => {
  const texts = log.map((entry) => textOf(entry, 'task'))
  const told = history.submissions.filter(
    ({ marker, tries }) =>
      tries.some(({ task_id }) => task_id === taskId) ||
      texts.some((said) => said.includes(`"marker":"${marker}"`)),
  )
  return new Set(told.map(({ marker }) => marker))
}

const requestLines = (history: History, taskId: string): Line[] => [
  ...history.submissions.flatMap(({ marker, key, tries }) =>
    tries
      .filter(({ task_id }) => task_id === taskId)
      .flatMap(({ sentAt, answeredAt, status }): Line[] => [
        { at: sentAt, said: `client  submits ${marker}${key === undefined ? '' : ` with key ${key}`}` },
        { at: answeredAt, said: `client  is answered ${status}` },
      ]),
  ),
  ...history.cancels
    .filter(({ task_id }) => task_id === taskId)
    .flatMap(({ sentAt, answeredAt, status }): Line[] => [
      { at: sentAt, said: 'client  asks to cancel' },
      { at: answeredAt, said: `client  cancel is answered ${status}` },
    ]),
]

const actLines = (history: History, markers: ReadonlySet<string>): Line[] => [
  ...history.effects
    .filter(({ token }) => markers.has(token.split('.')[0] ?? ''))
    .map(({ token, kind, at }) => ({ at, said: `effect  ${kind} ${token}` })),
  ...history.modelCalls
    .filter(({ marker }) => markers.has(marker))
    .flatMap(({ nonce, turn, worker, at, closedAt, end }): Line[] => [
      { at, said: `model   ${worker} asks for turn ${turn}: ${nonce}` },
      { at: closedAt, said: `model   ${nonce} ${end}` },
    ]),
]

const shown = (value: unknown): string => {
  const json = JSON.stringify(value)
  return json.length > MOST_CHARS ? `${json.slice(0, MOST_CHARS)}… (${json.length} characters)` : json
}
