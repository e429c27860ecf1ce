/** What a log says of the use of models, in the names of the service's counters. */
import type { Counted, LogEntry, ModelUsage } from './history.ts'

export type { Counted }

export const METRICS = [
  'model_calls',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'cost_nano',
  'unpriced_calls',
  'estimated_calls',
  'estimated_tokens',
  'estimated_nano',
] as const

export const isOutcome = ({ type }: LogEntry): boolean =>
  type === 'think_complete' || type === 'model_call_end'

/** In one order of names, without zeros. */
export const sumOf = (all: readonly Counted[]): Counted =>
  Object.fromEntries(
    METRICS.map(
      (name) => [name, all.reduce((sum, counted) => sum + (counted[name] ?? 0), 0)] as const,
    ).filter(([, sum]) => sum !== 0),
  )

export const countersOf = (entries: readonly LogEntry[]): Counted =>
  sumOf(entries.filter(isOutcome).map(({ data }) => ofOutcome(data)))

const ofOutcome = ({ usage, estimated_usage, cost_usd, estimated_cost_usd }: LogEntry['data']): Counted => {
  const cost: Counted =
    cost_usd !== undefined
      ? { cost_nano: nano(cost_usd) }
      : estimated_cost_usd === undefined
        ? { unpriced_calls: 1 }
        : { estimated_nano: nano(estimated_cost_usd) }
  if (usage !== undefined) return { model_calls: 1, ...(usage as ModelUsage), ...cost }
  if (estimated_usage === undefined) return {}
  const { input_tokens, output_tokens } = estimated_usage as ModelUsage
  return { estimated_calls: 1, estimated_tokens: input_tokens + output_tokens, ...cost }
}

const nano = (usd: unknown) => Math.round(Number(usd) * 1e9)
