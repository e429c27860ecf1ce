import { z } from 'zod'
import { Effect } from './event.ts'

export const ComponentState = z.object({
  name: z.string(),
  status: z.enum(['ready', 'not_ready', 'disabled']),
  /** Plain words: the operations guide's script echoes it unquoted. */
  message: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
})
export type ComponentState = z.infer<typeof ComponentState>

/** `healthy`: all ready or disabled · `degraded`: tasks can run · `unhealthy`: Redis away or no worker alive. */
export const Health = z.object({
  status: z.enum(['healthy', 'degraded', 'unhealthy']),
  components: z.array(ComponentState),
  version: z.string(),
  uptime_s: z.number().int(),
})
export type Health = z.infer<typeof Health>

/** Of one process: that it lives, or takes work. */
export const Probe = z.object({ status: z.enum(['live', 'ready']) })
export type Probe = z.infer<typeof Probe>

/** What a worker says of itself with every heartbeat. */
export const WorkerInfo = z.object({
  worker_id: z.string(),
  host: z.string(),
  pid: z.number().int(),
  /** Of its own `/health` and `/metrics`. */
  port: z.number().int(),
  version: z.string(),
  started_at: z.string(),
  slots: z.number().int(),
  running: z.array(z.string()),
  draining: z.boolean(),
  components: z.array(ComponentState),
  /** Those of its MCP servers that it offers now; absent from older releases. */
  mcp_tools: z.array(z.object({ name: z.string(), effect: Effect })).optional(),
  /** Milliseconds since the epoch by the worker's own clock when it beat. */
  at: z.number().optional(),
  /** How far its clock is ahead of that of Redis, give or take the way of a heartbeat; made when it is read. */
  clock_offset_ms: z.number().optional(),
})
export type WorkerInfo = z.infer<typeof WorkerInfo>

/** Whom Prometheus is to ask, in the form of its HTTP service discovery. */
export const TargetGroup = z.object({
  targets: z.array(z.string()),
  labels: z.object({ process: z.enum(['api', 'worker']) }),
})
export type TargetGroup = z.infer<typeof TargetGroup>
