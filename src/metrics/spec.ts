/** What the table of metrics is made of. */

export interface MetricSpec {
  name: string
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  labels?: readonly string[]
  /** Upper bounds, of a histogram. */
  buckets?: readonly number[]
}

export type MetricTable = Readonly<Record<string, MetricSpec>>

// Buckets, in seconds.
export const REDIS_CALL = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]
export const REQUEST = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
export const MODEL_CALL = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300]
export const TOOL_CALL = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 600]

/** How many of what Redis counts make one of this metric: it counts times in ms. */
export const redisUnit = (name: string): number => (name.endsWith('_seconds') ? 1000 : 1)
