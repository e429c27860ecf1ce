/**
 * What model calls used and cost, as it is counted: whole numbers under the same names in a task's record, a
 * session's hash and the days' hashes (lua/costs.lua), and the sums that are shown of them.
 */
import { usdOf } from '../agent/prices.ts'
import type { Usage } from '../schemas/usage.ts'

const METRICS = [
  /** Answered ones. */
  'model_calls',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  /** Nano-USD. */
  'cost_nano',
  /** Answered or not, without a known price. */
  'unpriced_calls',
  /** Without an answer, that may be billed all the same. */
  'estimated_calls',
  'estimated_tokens',
  'estimated_nano',
] as const
type Metric = (typeof METRICS)[number]

export type Counters = { [M in Metric]?: number | undefined }

/** What the outcome of one call adds. The call is no longer open. */
export interface UsageEntry {
  model: string
  call?: string
  add: Counters
}

/** What an activation's events change in its task's record. */
export interface Progress {
  /** Record fields to set. */
  set: Record<string, string | number>
  /** Record counters to add to. */
  add: Record<string, number>
  /** Of model calls; also counted for the session and the day. */
  usage?: readonly UsageEntry[]
}

export const addCounters = (to: Counters, more: Counters): void => {
  for (const metric of METRICS) {
    const by = more[metric]
    if (by !== undefined) to[metric] = (to[metric] ?? 0) + by
  }
}

/** A metric's name and a number, where Redis or a file may hold anything. */
export const counterOf = (metric: string, value: string | undefined): Counters => {
  const known = METRICS.find((each) => each === metric)
  const number = Number(value)
  return known === undefined || !Number.isSafeInteger(number) ? {} : { [known]: number }
}

export const usageOf = (counters: Counters): Usage => {
  const { input_tokens = 0, output_tokens = 0, cached_tokens = 0, model_calls = 0 } = counters
  const { cost_nano, unpriced_calls, estimated_calls, estimated_tokens, estimated_nano } = counters
  return {
    input_tokens,
    output_tokens,
    cached_tokens,
    total_tokens: input_tokens + output_tokens,
    ...(cost_nano === undefined ? {} : { cost_usd: usdOf(cost_nano) }),
    ...(estimated_nano === undefined ? {} : { estimated_cost_usd: usdOf(estimated_nano) }),
    model_calls,
    ...(unpriced_calls ? { unpriced_calls } : {}),
    ...(estimated_calls ? { estimated_calls, estimated_tokens: estimated_tokens ?? 0 } : {}),
  }
}

/** A session's hash has them by model, in fields `used:<metric>:<model>`. */
const OF_SESSION = /^used:([a-z_]+):(.*)$/s

export const usageFieldsOf = (fields: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => OF_SESSION.test(name)))

export const countersByModel = (fields: Readonly<Record<string, string>>): Map<string, Counters> => {
  const models = new Map<string, Counters>()
  for (const [name, value] of Object.entries(fields)) {
    const [, metric = '', model = ''] = OF_SESSION.exec(name) ?? []
    const counters = counterOf(metric, value)
    if (Object.keys(counters).length === 0) continue
    const of = models.get(model) ?? {}
    addCounters(of, counters)
    models.set(model, of)
  }
  return models
}

/** Of a day's hash of models, with fields `<metric> <model>`. */
export const usageByModel = (fields: Readonly<Record<string, string>>): Map<string, Counters> => {
  const models = new Map<string, Counters>()
  for (const [name, value] of Object.entries(fields)) {
    const [, metric = '', model = ''] = /^(\S+) (.*)$/s.exec(name) ?? []
    const of = models.get(model) ?? {}
    addCounters(of, counterOf(metric, value))
    models.set(model, of)
  }
  return models
}

export const sumOf = (counters: Iterable<Counters>): Counters => {
  const sum: Counters = {}
  for (const each of counters) addCounters(sum, each)
  return sum
}
