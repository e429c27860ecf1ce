/** Text for Prometheus of what is not counted in this process. */
import type { MetricSpec } from './spec.ts'

export interface Sample {
  value: number
  /** As the metric names them; `le` of a bucket too. */
  labels?: Readonly<Record<string, string | number>>
  /** `_bucket`, `_sum` or `_count`, of a histogram. */
  suffix?: string
}

/** A metric with its samples; '' without any. */
export const exposition = ({ name, type, help }: MetricSpec, samples: readonly Sample[]): string => {
  if (samples.length === 0) return ''
  const lines = samples.map(
    ({ suffix = '', labels = {}, value }) => `${name}${suffix}${labelsOf(labels)} ${value}\n`,
  )
  return `\n# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

const labelsOf = (labels: NonNullable<Sample['labels']>): string => {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(String(value))}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

const escaped = (value: string): string =>
  value.replaceAll('\\', String.raw`\\`).replaceAll('\n', String.raw`\n`).replaceAll('"', String.raw`\"`)
