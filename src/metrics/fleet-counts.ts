/** Reads the hash that lua/counts.lua counts in. */
import { exposition, type Sample } from './exposition.ts'
import { type MetricSpec, redisUnit } from './spec.ts'
import { FLEET_COUNTERS, FLEET_HISTOGRAMS } from './table.ts'

export type FleetCounts = Readonly<Record<string, string>>

/** With what exists from the start, at 0: without it the first increase would go unseen. */
const ZERO = [
  'created task',
  'created subtask',
  'started',
  'cancels',
  'workersLost',
  ...['task', 'subtask'].flatMap((kind) => [
    `finished ${kind} completed final_answer`,
    `finished ${kind} failed error`,
    `finished ${kind} cancelled cancelled`,
  ]),
  ...['worker_lost', 'drained', 'woken'].map((reason) => `resumed ${reason}`),
]

/**
 * A Redis that crashed may come back without its last writes: Prometheus would take the smaller number for a counter
 * that began anew, and count all of it again. So numbers only grow, as long as Redis has counted `since` the same time.
 */
export const createGrowing = () => {
  let known: Record<string, string> = {}
  return (counts: FleetCounts): FleetCounts => {
    const same = known['since'] === counts['since']
    const next: Record<string, string> = same ? { ...known, ...counts } : { ...counts }
    if (same)
      for (const [name, value] of Object.entries(known))
        if (name !== 'since' && Number(value) > Number(next[name])) next[name] = value
    known = next
    return next
  }
}

export const exposeCounts = (counts: FleetCounts): string => {
  const fields = Object.entries({ ...Object.fromEntries(ZERO.map((name) => [name, '0'])), ...counts })
  const of = (key: string) =>
    fields.flatMap(([name, value]) => {
      const [metric, ...rest] = name.split(' ')
      return metric === key ? [{ rest, value: Number(value) }] : []
    })
  const counters = Object.entries(FLEET_COUNTERS).map(([key, spec]) =>
    exposition(
      spec,
      of(key).map(({ rest, value }) => ({ value, labels: labelled(spec, rest) })),
    ),
  )
  const histograms = Object.entries(FLEET_HISTOGRAMS).map(([key, spec]) =>
    exposition(spec, histogram(spec, of(key))),
  )
  return [...counters, ...histograms].join('')
}

const labelled = ({ labels = [] }: MetricSpec, values: readonly string[]): Record<string, string> =>
  Object.fromEntries(labels.map((label, i) => [label, values[i] ?? '']))

/** Fields are `<labels …> le <bound>` and `<labels …> sum`; a bucket there counts what is in it alone. */
const histogram = (spec: MetricSpec, fields: readonly { rest: string[]; value: number }[]): Sample[] => {
  const width = spec.labels?.length ?? 0
  const unit = redisUnit(spec.name)
  const groups = Map.groupBy(fields, ({ rest }) => rest.slice(0, width).join(' '))
  return [...groups].flatMap(([values, group]) => {
    const labels = labelled(spec, values.split(' '))
    const upTo = (bound: number) =>
      group.reduce(
        (sum, { rest, value }) =>
          rest[width] === 'le' && boundOf(rest[width + 1]) <= bound * unit ? sum + value : sum,
        0,
      )
    const total = group.find(({ rest }) => rest[width] === 'sum')?.value ?? 0
    const all = upTo(Number.POSITIVE_INFINITY)
    return [
      ...(spec.buckets ?? []).map((le) => ({
        suffix: '_bucket',
        labels: { ...labels, le },
        value: upTo(le),
      })),
      { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: all },
      { suffix: '_sum', labels, value: total / unit },
      { suffix: '_count', labels, value: all },
    ]
  })
}

const boundOf = (text = ''): number => (text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text))
