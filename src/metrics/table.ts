/**
 * Every metric of ALEX. Names start with `alex_`, units are base units, every label has few values: route patterns,
 * configured models, known tools, never an id.
 * What a process counts of itself is summed over processes. What the fleet counts is the same on every API, so a
 * dashboard takes `max` of it, never `sum`.
 */

import { type MetricTable, MODEL_CALL, REDIS_CALL, REQUEST, TOOL_CALL } from './spec.ts'

/** Of each process, API or worker; beside them the process's defaults (`alex_process_*`, `alex_nodejs_*`). */
export const PROCESS_METRICS = {
  buildInfo: { name: 'alex_build_info', type: 'gauge', help: 'Always 1.', labels: ['version'] },
  httpRequests: {
    name: 'alex_http_requests_total',
    type: 'counter',
    help: 'HTTP requests answered, by route pattern.',
    labels: ['method', 'route', 'status'],
  },
  httpDuration: {
    name: 'alex_http_request_duration_seconds',
    type: 'histogram',
    help: 'Time until an HTTP answer was ready; long polls included, streams up to their headers.',
    labels: ['method', 'route'],
    buckets: REQUEST,
  },
} as const satisfies MetricTable

/** Of each API. */
export const API_METRICS = {
  sseConnections: {
    name: 'alex_sse_connections',
    type: 'gauge',
    help: 'Event streams open in this process.',
  },
  sseEventsSent: {
    name: 'alex_sse_events_sent_total',
    type: 'counter',
    help: 'Events written to streams; kind is durable (with an id) or ephemeral.',
    labels: ['kind'],
  },
  sseSlowReaders: {
    name: 'alex_sse_slow_reader_disconnects_total',
    type: 'counter',
    help: 'Streams ended because their reader was too slow; it resumes by id.',
  },
} as const satisfies MetricTable

/** Of each worker. */
export const WORKER_METRICS = {
  slots: {
    name: 'alex_worker_slots',
    type: 'gauge',
    help: 'Slots of this worker; state is used or free.',
    labels: ['state'],
  },
  modelCalls: {
    name: 'alex_model_calls_total',
    type: 'counter',
    help: 'Model calls that are over; outcome is answered, overloaded, network, timeout, context_overflow, rejected or aborted.',
    labels: ['model', 'outcome'],
  },
  modelDuration: {
    name: 'alex_model_call_duration_seconds',
    type: 'histogram',
    help: 'Time from a model call to its last token, of answered calls.',
    labels: ['model'],
    buckets: MODEL_CALL,
  },
  modelFirstToken: {
    name: 'alex_model_first_token_seconds',
    type: 'histogram',
    help: 'Time from a model call to the first text of its answer, of calls that gave text.',
    labels: ['model'],
    buckets: MODEL_CALL,
  },
  modelTokens: {
    name: 'alex_model_tokens_total',
    type: 'counter',
    help: 'Tokens of answered calls; kind is input, output or cached (a part of input).',
    labels: ['model', 'kind'],
  },
  modelCost: {
    name: 'alex_model_cost_usd_total',
    type: 'counter',
    help: 'What model calls cost; kind is billed, or estimated where the provider said nothing of the usage.',
    labels: ['model', 'kind'],
  },
  toolCalls: {
    name: 'alex_tool_calls_total',
    type: 'counter',
    help: 'Tool calls that are over; outcome is ok, error or interrupted. All tools of an MCP server are mcp:SERVER.',
    labels: ['tool', 'outcome'],
  },
  toolDuration: {
    name: 'alex_tool_call_duration_seconds',
    type: 'histogram',
    help: 'Time a tool call took, whatever its outcome.',
    labels: ['tool'],
    buckets: TOOL_CALL,
  },
  logEntries: {
    name: 'alex_log_entries_total',
    type: 'counter',
    help: 'Events this worker appended to session logs.',
  },
  logAppends: {
    name: 'alex_log_appends_total',
    type: 'counter',
    help: 'Appends to session logs; outcome is ok, refused (the task is no longer ours) or unavailable (tried again).',
    labels: ['outcome'],
  },
  logAppendDuration: {
    name: 'alex_log_append_duration_seconds',
    type: 'histogram',
    help: 'Round trip of an append to a session log.',
    buckets: REDIS_CALL,
  },
  refusedWrites: {
    name: 'alex_refused_writes_total',
    type: 'counter',
    help: 'Writes refused because the task is no longer ours; write is append, delegate, finish, release or todos.',
    labels: ['write'],
  },
  mcpServers: {
    name: 'alex_mcp_servers',
    type: 'gauge',
    help: 'MCP servers of this worker; state is connected or not_connected.',
    labels: ['state'],
  },
  mcpStarts: {
    name: 'alex_mcp_initialisation_attempts_total',
    type: 'counter',
    help: 'Attempts to start and initialise an MCP server.',
    labels: ['server'],
  },
  mcpRestarts: {
    name: 'alex_mcp_restarts_total',
    type: 'counter',
    help: 'Times an MCP server was lost after it had been connected, and started again.',
    labels: ['server'],
  },
} as const satisfies MetricTable

/** Of the fleet, as Redis and the heartbeats tell: gauges. */
export const FLEET_GAUGES = {
  redisUp: {
    name: 'alex_redis_up',
    type: 'gauge',
    help: '1 while Redis answers; else 0, and what else the fleet says stands still.',
  },
  redisLatency: {
    name: 'alex_redis_latency_seconds',
    type: 'gauge',
    help: 'Round trip of the last ping.',
  },
  redisMemory: {
    name: 'alex_redis_memory_used_bytes',
    type: 'gauge',
    help: 'Memory that Redis uses.',
  },
  redisMemoryLimit: {
    name: 'alex_redis_memory_limit_bytes',
    type: 'gauge',
    help: 'Its maxmemory; absent without a limit.',
  },
  redisEvicts: {
    name: 'alex_redis_evicts',
    type: 'gauge',
    help: '1 when its maxmemory-policy lets Redis evict tasks, else 0.',
  },
  redisPersists: {
    name: 'alex_redis_persists',
    type: 'gauge',
    help: '1 when Redis keeps an append-only file, else 0.',
  },
  redisRefuses: {
    name: 'alex_redis_refuses_writes',
    type: 'gauge',
    help: '1 while Redis answers but takes no change, else 0.',
  },
  health: {
    name: 'alex_health_status',
    type: 'gauge',
    help: '1 for the present status of the fleet, 0 for the others.',
    labels: ['status'],
  },
  component: {
    name: 'alex_health_component',
    type: 'gauge',
    help: '1 for the present status of each component, 0 for the others.',
    labels: ['component', 'status'],
  },
  workers: { name: 'alex_workers', type: 'gauge', help: 'Workers alive.' },
  workersDraining: {
    name: 'alex_workers_draining',
    type: 'gauge',
    help: 'Workers alive that take no new task.',
  },
  slots: {
    name: 'alex_fleet_slots',
    type: 'gauge',
    help: 'Slots of all workers; state is used or free.',
    labels: ['state'],
  },
  tasks: {
    name: 'alex_tasks',
    type: 'gauge',
    help: 'Tasks that Redis holds, by status; running ones are active, waiting ones hold no slot.',
    labels: ['status'],
  },
  queueDepth: {
    name: 'alex_queue_depth',
    type: 'gauge',
    help: 'Pending tasks; state is ready (only a free slot is missing) or held (its turn or its time has not come).',
    labels: ['state'],
  },
  queueOldest: {
    name: 'alex_queue_oldest_ready_seconds',
    type: 'gauge',
    help: 'How long the task that has been ready longest has waited for a slot; 0 when none is.',
  },
  sessions: { name: 'alex_sessions', type: 'gauge', help: 'Sessions known, evicted ones included.' },
  sessionsActive: {
    name: 'alex_sessions_active',
    type: 'gauge',
    help: 'Sessions with an event in the last 5 minutes.',
  },
  costToday: {
    name: 'alex_cost_today_usd',
    type: 'gauge',
    help: 'What model calls of this UTC day cost, lost workers included; kind is billed or estimated.',
    labels: ['model', 'kind'],
  },
} as const satisfies MetricTable

/** Of the fleet: counted in Redis by the scripts that do what is counted, once each, whoever has them run. */
export const FLEET_COUNTERS = {
  created: {
    name: 'alex_tasks_created_total',
    type: 'counter',
    help: 'Tasks made; kind is task (submitted) or subtask (delegated by one).',
    labels: ['kind'],
  },
  started: {
    name: 'alex_tasks_started_total',
    type: 'counter',
    help: 'Tasks that a worker began for the first time.',
  },
  finished: {
    name: 'alex_tasks_finished_total',
    type: 'counter',
    help: 'Tasks that have ended; kind is task or subtask.',
    labels: ['kind', 'status', 'stop_reason'],
  },
  resumed: {
    name: 'alex_task_resumes_total',
    type: 'counter',
    help: 'Tasks that another activation went on with; reason is worker_lost, drained or woken.',
    labels: ['reason'],
  },
  cancels: {
    name: 'alex_task_cancels_total',
    type: 'counter',
    help: 'Tasks whose cancel was asked for, once each; subtasks of a cancelled one included.',
  },
  workersLost: {
    name: 'alex_workers_lost_total',
    type: 'counter',
    help: 'Workers whose heartbeats ended without a farewell; seen by those that are left, or by the next one.',
  },
} as const satisfies MetricTable

/** Counted like `FLEET_COUNTERS`, in whole numbers. */
export const FLEET_HISTOGRAMS = {
  queueWait: {
    name: 'alex_queue_wait_seconds',
    type: 'histogram',
    help: 'Time from when a task could run until a worker took it, at each start and resume.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800],
  },
  duration: {
    name: 'alex_task_duration_seconds',
    type: 'histogram',
    help: 'Time from the first start of a task to its end, waits and lost workers included, by status.',
    labels: ['status'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600],
  },
  iterations: {
    name: 'alex_task_iterations',
    type: 'histogram',
    help: 'Iterations of a task that has ended.',
    buckets: [0, 1, 2, 3, 5, 8, 10, 15, 20, 30, 50, 100],
  },
  cancelLatency: {
    name: 'alex_task_cancel_duration_seconds',
    type: 'histogram',
    help: 'Time from the cancel of a task to its end.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30],
  },
} as const satisfies MetricTable
