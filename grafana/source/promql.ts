/**
 * Queries of ALEX' metrics. What every API tells of the fleet is taken by `max`; what a process counts of itself is
 * summed. The types hold it: neither kind of metric fits the other kind's function.
 */

import type { MetricSpec } from '../../src/metrics/spec.ts'
import type {
  API_METRICS,
  FLEET_COUNTERS,
  FLEET_GAUGES,
  FLEET_HISTOGRAMS,
  PROCESS_METRICS,
  WORKER_METRICS,
} from '../../src/metrics/table.ts'

type Of<T, Type extends MetricSpec['type']> = Extract<T[keyof T], { type: Type }>
type OfProcess<Type extends MetricSpec['type']> =
  | Of<typeof PROCESS_METRICS, Type>
  | Of<typeof API_METRICS, Type>
  | Of<typeof WORKER_METRICS, Type>

interface Wanted {
  /** Labels to tell apart; all others are added up. */
  by?: readonly string[]
  /** Matchers, as PromQL has them. */
  where?: string
}

/** What is there now. */
export const fleetGauge = (metric: Of<typeof FLEET_GAUGES, 'gauge'>, wanted: Wanted = {}): string =>
  addUp(metric, sameEverywhere(metric, selector(metric.name, wanted)), wanted)

/** Where each API has eyes of its own: what the one with the least sees. */
export const fleetLeast = ({ name }: Of<typeof FLEET_GAUGES, 'gauge'>): string => `min (${selector(name)})`

/** Per second. */
export const fleetRate = (metric: Of<typeof FLEET_COUNTERS, 'counter'>, wanted: Wanted = {}): string =>
  addUp(metric, sameEverywhere(metric, `rate(${selector(metric.name, wanted)}[$__rate_interval])`), wanted)

/** How many in this time, such as `1h`. */
export const fleetIncrease = (
  metric: Of<typeof FLEET_COUNTERS, 'counter'>,
  time: string,
  wanted: Wanted = {},
): string =>
  addUp(metric, sameEverywhere(metric, `increase(${selector(metric.name, wanted)}[${time}])`), wanted)

export const fleetQuantile = (
  quantile: number,
  metric: Of<typeof FLEET_HISTOGRAMS, 'histogram'>,
  { by = [], where = '' }: Wanted = {},
): string => {
  const buckets: MetricSpec = { ...metric, labels: [...labelsOf(metric), 'le'] }
  const rate = `rate(${selector(`${metric.name}_bucket`, { where })}[$__rate_interval])`
  return `histogram_quantile(${quantile}, ${addUp(buckets, sameEverywhere(buckets, rate), { by: [...by, 'le'] })})`
}

/** What all processes have now, added up. */
export const gauge = (metric: OfProcess<'gauge'>, wanted: Wanted = {}): string =>
  `sum${grouped(wanted.by)}(${selector(metric.name, wanted)})`

/** Per second, of all processes. */
export const rate = (metric: OfProcess<'counter'>, wanted: Wanted = {}): string =>
  `sum${grouped(wanted.by)}(rate(${selector(metric.name, wanted)}[$__rate_interval]))`

export const quantile = (
  which: number,
  metric: OfProcess<'histogram'>,
  { by = [], where = '' }: Wanted = {},
): string =>
  `histogram_quantile(${which}, sum${grouped([...by, 'le'])}(rate(${selector(`${metric.name}_bucket`, { where })}[$__rate_interval])))`

/** Of a default metric of Node's processes, each by itself. */
export const selector = (metric: string, { where = '' }: Wanted = {}): string =>
  `${metric}{job="$job"${where && `, ${where}`}}`

/** Nothing where there is nothing to take a share of. */
export const share = (part: string, whole: string): string => `${part} / (${whole} > 0)`

const labelsOf = ({ labels = [] }: MetricSpec): readonly string[] => labels
const sameEverywhere = (metric: MetricSpec, query: string): string => `max${grouped(metric.labels)}(${query})`
const grouped = (labels: readonly string[] = []): string =>
  labels.length === 0 ? ' ' : ` by (${labels.join(', ')}) `

const addUp = (metric: MetricSpec, query: string, { by = [] }: Wanted): string =>
  by.length === labelsOf(metric).length ? query : `sum${grouped(by)}(${query})`
