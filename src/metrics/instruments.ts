/** Makes what a table describes. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { MetricSpec, MetricTable } from './spec.ts'

type Label<S extends MetricSpec> = S extends { labels: readonly (infer L extends string)[] } ? L : never

type Instrument<S extends MetricSpec> = S['type'] extends 'counter'
  ? Counter<Label<S>>
  : S['type'] extends 'gauge'
    ? Gauge<Label<S>>
    : Histogram<Label<S>>

export type Instruments<T extends MetricTable> = { readonly [K in keyof T]: Instrument<T[K]> }

export const createInstruments = <T extends MetricTable>(registry: Registry, table: T): Instruments<T> => {
  const made = Object.entries(table).map(([key, spec]) => [key, instrument(registry, spec)] as const)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table's types say which is which
  return Object.fromEntries(made) as unknown as Instruments<T>
}

const instrument = (registry: Registry, { name, type, help, labels = [], buckets }: MetricSpec) => {
  const options = { name, help, labelNames: labels, registers: [registry] }
  switch (type) {
    case 'counter':
      return new Counter(options)
    case 'gauge':
      return new Gauge(options)
    case 'histogram':
      return new Histogram({ ...options, ...(buckets && { buckets: [...buckets] }) })
  }
}
