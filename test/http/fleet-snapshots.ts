import type { ComponentState, WorkerInfo } from '../../src/schemas/health.ts'
import type { FleetSnapshot } from '../../src/tasks/service.ts'

export const READY: ComponentState[] = [
  {
    name: 'mcp',
    status: 'ready',
    message: 'MCP initialized',
    details: { servers: 2, tools: 15, attempts: 1 },
  },
  { name: 'llm_factory', status: 'ready', message: 'LLM factory initialized' },
  { name: 'git_tools', status: 'disabled', message: 'disabled by configuration' },
]

export const worker = (changes: Partial<WorkerInfo> = {}): WorkerInfo => ({
  worker_id: 'w1',
  host: 'here',
  pid: 1,
  port: 1,
  version: '1.2.3',
  started_at: '2026-01-01T00:00:00.000Z',
  slots: 10,
  running: ['task-1', 'task-2'],
  draining: false,
  components: [],
  ...changes,
})

export const snapshot = (changes: Partial<FleetSnapshot> = {}): FleetSnapshot => ({
  redis: { up: true, latency_ms: 2, evicts: false },
  workers: [worker()],
  apis: [],
  queue: { pending: 5, running: 2, waiting: 1, ready: 3, oldest_pending_ms: 1500, oldest_ready_ms: 1200 },
  components: READY,
  ...changes,
})
