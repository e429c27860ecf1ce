/** A run in a few lines. */
import type { History } from './history.ts'
import { cancelTimes, faultCounts, handOvers, recoveries, type Spread } from './measure.ts'

export const summaryOf = (history: History): string => {
  const { submissions, cancels, deletions, effects, modelCalls, readers, logs, workers } = history
  const entries = Object.values(logs).flat()
  const ends = Object.entries(
    Object.groupBy(
      entries.filter(({ type }) => ENDS.includes(type)),
      ({ type }) => type,
    ),
  )
    .map(([type, found]) => `${found?.length ?? 0} ${type}`)
    .join(', ')
  const faults = Object.entries(faultCounts(history))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, count]) => `  ${kind}: ${count}`)
  const resumes = entries.filter(({ type }) => type === 'task_resumed').length
  const recovered = recoveries(history)
  const handedOver = handOvers(history)
  return [
    `seed ${history.seed}, ${JSON.stringify(history.settings)}, ${Math.round((history.endedAt - history.startedAt) / 1000)} s`,
    `${submissions.length} submissions in ${submissions.reduce((sum, { tries }) => sum + tries.length, 0)} tries, ${cancels.length} cancels, ${deletions.length} sessions deleted`,
    `${ends}; ${resumes} resumes, ${workers.length} worker processes`,
    `${entries.length} events, ${effects.length} effects, ${modelCalls.length} model calls, ${readers.length} readers in ${readers.reduce((sum, { connects }) => sum + connects.length, 0)} connects saw ${readers.reduce((sum, { events }) => sum + events.length, 0)}`,
    'faults:',
    ...faults,
    `kill → task_resumed (ms, less the time no slot was free): ${told(recovered.all)}`,
    `  nothing else killed or frozen meanwhile: ${told(recovered.alone)}`,
    `  of these a further loss in a row: ${told(recovered.again)}`,
    `last step on a draining worker → task_resumed (ms): ${told(handedOver.all)}`,
    `  nothing else broken meanwhile: ${told(handedOver.alone)}`,
    `cancel sent → model stream closed (ms): ${told(cancelTimes(history))}`,
  ].join('\n')
}

const ENDS = ['task_complete', 'task_failed', 'task_cancelled']

const told = ({ count, p50, p95, p99, max }: Spread): string =>
  count === 0 ? 'none' : `p50 ${p50}, p95 ${p95}, p99 ${p99}, max ${max} of ${count}`
