/** What an API tells of the whole fleet, the same on every one. From memory: it never waits for Redis. */
import type { Health } from '../schemas/health.ts'
import { exposition, type Sample } from './exposition.ts'
import { createGrowing, exposeCounts, type FleetCounts } from './fleet-counts.ts'
import { FLEET_GAUGES } from './table.ts'

/** The part of a fleet's state that is told; `FleetSnapshot` has it, but for its health. */
export interface FleetState {
  redis: {
    up: boolean
    latency_ms?: number
    evicts: boolean
    refuses?: string
    persists?: boolean
    memory_bytes?: number
    memory_limit_bytes?: number
  }
  workers: { slots: number; running: unknown[]; draining: boolean }[]
  queue: { pending: number; ready: number; oldest_ready_ms?: number }
  /** Absent until Redis was reached once. */
  totals?: {
    tasks: Readonly<Record<string, number>>
    sessions: number
    sessions_active: number
    counts: FleetCounts
    /** Of this UTC day, nano-USD. */
    costs: readonly { model: string; billed: number; estimated: number }[]
  }
  health: Pick<Health, 'status' | 'components'>
}

const HEALTH = ['healthy', 'degraded', 'unhealthy']
const COMPONENT = ['ready', 'not_ready', 'disabled']
const NANO = 1e9

export const createFleetExposition = (modelLabel: (model: string) => string) => {
  const growing = createGrowing()
  return (fleet: FleetState): string => {
    const samples = samplesOf(fleet, modelLabel)
    const gauges = Object.entries(FLEET_GAUGES).map(([key, spec]) => exposition(spec, samples[key] ?? []))
    return gauges.join('') + (fleet.totals ? exposeCounts(growing(fleet.totals.counts)) : '')
  }
}

const samplesOf = (
  { redis, workers, queue, totals, health }: FleetState,
  modelLabel: (model: string) => string,
): Record<string, Sample[]> => {
  const slots = workers.reduce((sum, worker) => sum + worker.slots, 0)
  const used = workers.reduce((sum, worker) => sum + worker.running.length, 0)
  return {
    redisUp: flag(redis.up),
    redisLatency: maybe(redis.latency_ms === undefined ? undefined : redis.latency_ms / 1000),
    redisMemory: maybe(redis.memory_bytes),
    redisMemoryLimit: maybe(redis.memory_limit_bytes),
    redisEvicts: flag(redis.evicts),
    redisPersists: redis.persists === undefined ? [] : flag(redis.persists),
    redisRefuses: flag(redis.refuses !== undefined),
    health: oneOf('status', HEALTH, health.status),
    component: health.components.flatMap(({ name, status }) =>
      oneOf('status', COMPONENT, status).map(({ value, labels }) => ({
        value,
        labels: { component: name, ...labels },
      })),
    ),
    workers: maybe(workers.length),
    workersDraining: maybe(workers.filter((worker) => worker.draining).length),
    slots: [
      { labels: { state: 'used' }, value: used },
      { labels: { state: 'free' }, value: Math.max(0, slots - used) },
    ],
    ...(totals && {
      tasks: Object.entries(totals.tasks).map(([status, value]) => ({ labels: { status }, value })),
      queueDepth: [
        { labels: { state: 'ready' }, value: queue.ready },
        { labels: { state: 'held' }, value: Math.max(0, queue.pending - queue.ready) },
      ],
      queueOldest: maybe((queue.oldest_ready_ms ?? 0) / 1000),
      sessions: maybe(totals.sessions),
      sessionsActive: maybe(totals.sessions_active),
      costToday: costs(totals.costs, modelLabel),
    }),
  }
}

const maybe = (value: number | undefined): Sample[] => (value === undefined ? [] : [{ value }])
const flag = (on: boolean): Sample[] => [{ value: on ? 1 : 0 }]
const oneOf = (label: string, all: readonly string[], present: string): Sample[] =>
  all.map((one) => ({ labels: { [label]: one }, value: one === present ? 1 : 0 }))

const costs = (
  models: NonNullable<FleetState['totals']>['costs'],
  modelLabel: (model: string) => string,
): Sample[] =>
  [...Map.groupBy(models, ({ model }) => modelLabel(model))].flatMap(([model, group]) =>
    (['billed', 'estimated'] as const).map((kind) => ({
      labels: { model, kind },
      value: group.reduce((sum, each) => sum + each[kind], 0) / NANO,
    })),
  )
