/**
 * A worker made of the product's parts, but for its model, which answers at once in this process, and its only tool,
 * which does nothing. Runs tasks of ten iterations and prints what they cost as a line of JSON.
 */
import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import type { Model } from '../src/agent/model.ts'
import { runAgent } from '../src/agent/run-agent.ts'
import { createCalibration } from '../src/agent/tokens.ts'
import { toolboxOf } from '../src/agent/tools/registry.ts'
import { thinkTool } from '../src/agent/tools/think.ts'
import { createLog } from '../src/log.ts'
import { createTicketQueue } from '../src/tasks/queue.ts'
import { createStore, LEASE_MS } from '../src/tasks/store.ts'
import { startTracing } from '../src/tracing.ts'
import { createActivations } from '../workers/activations.ts'
import { createHeartbeat } from '../workers/heartbeat.ts'
import { createRunTask } from '../workers/run-task.ts'
import { takeTickets } from '../workers/take-tickets.ts'
import { createTraceTask } from '../workers/trace-task.ts'
import { startWorker } from '../workers/worker.ts'
import { agentTaskOf } from './agent-task.ts'

const ITERATIONS = 10
const [, , tasks = '100', slots = '1'] = process.argv
const prefix = `{bench-${randomUUID()}}`
const log = await createLog({
  verbose: false,
  format: 'json',
  redact: (text) => text,
  sink: { write: () => {} },
})

const connect = () => new Redis(process.env['REDIS_URL'] ?? '', { maxRetriesPerRequest: null })
const redis = connect()
const subscriber = connect()

// Commands sent in one turn of the event loop travel together: they cost one round trip.
let commands = 0
let roundTrips = 0
let inTurn = false
const send = redis.sendCommand.bind(redis)
redis.sendCommand = (...args) => {
  commands += 1
  if (!inTurn) {
    inTurn = true
    roundTrips += 1
    setImmediate(() => {
      inTurn = false
    })
  }
  return send(...args)
}

const usage = { input_tokens: 100, output_tokens: 10, cached_tokens: 0 }
const model: Model = async ({ model: name, messages, toolChoice }) => {
  const steps = messages.filter(({ role }) => role === 'assistant').length
  const done = steps >= ITERATIONS - 1 || toolChoice === 'none'
  const call = { tool_name: 'think', arguments: JSON.stringify({ thought: `step ${steps}` }) }
  const content = done ? 'Done: it works.' : ''
  return { ok: true, answer: { content, tool_calls: done ? [] : [call], model: name, usage, cut: false } }
}

const store = createStore({ redis, prefix, leaseMs: LEASE_MS })
const queue = createTicketQueue({ redis, prefix, log })
const activations = createActivations()
const calibration = createCalibration()
const toolbox = toolboxOf([thinkTool])
const tracing = await startTracing({
  environment: {},
  service: 'bench',
  version: '0',
  instance: 'bench',
  redact: (text) => text,
  log,
})
let left = Number(tasks)
const done = Promise.withResolvers<void>()

const runTask = createRunTask({
  store,
  queue,
  activations,
  leaseMs: LEASE_MS,
  workerId: 'bench',
  isDraining: () => false,
  traceTask: createTraceTask({ tracing, provider: { name: 'bench' } }),
  agentTask: agentTaskOf,
  runAgent: ({ assertLease, ...run }) =>
    runAgent(
      {
        ...run,
        model,
        throttle: { waitMs: () => 0, report: () => {} },
        toolContext: {
          workspace: '/',
          assertLease,
          // Nothing asks for them.
          guard: undefined as never,
          todos: undefined as never,
        },
      },
      { toolbox, calibration, windowOf: async () => 128_000, systemPrompt: async () => 'Work.' },
    ),
  log,
})
const rhythm = { everyS: 1 }
const heartbeat = createHeartbeat({
  store,
  queue,
  activations,
  info: () => ({
    worker_id: 'bench',
    host: 'bench',
    pid: process.pid,
    port: 0,
    version: '0',
    started_at: new Date().toISOString(),
    slots: Number(slots),
    running: activations.all().map((activation) => activation.task_id),
    draining: false,
    components: [],
    mcp_tools: [],
    at: Date.now(),
  }),
  onConfirmed: () => {},
  onBeat: (beat) => {
    if (beat.ticketsTaken) tickets.giveBackLost()
  },
  rhythm,
  mayRest: () => true,
  log,
})
const submit = async (count: number) => {
  for (let i = 0; i < count; i += 1) {
    const result = await store.create({
      task_id: `task-${randomUUID()}`,
      session_id: `session-${randomUUID()}`,
      title: 'bench',
      fields: {
        task: 'ten steps',
        head: 'ten steps',
        agent_preset: 'default',
        tool_preset: 'full',
        model: 'bench',
        max_iterations: String(ITERATIONS + 1),
        timeout_s: '600',
        priority: '5',
      },
    })
    if (result.verdict === 'created') await queue.add(result.tickets)
  }
}
await submit(left)
const before = { commands, roundTrips, cpu: process.cpuUsage() }
await redis.config('RESETSTAT')
const tickets = takeTickets({
  redis,
  prefix,
  runTask: async (job) => {
    heartbeat.workBegan()
    await runTask(job)
    left -= 1
    if (left === 0) done.resolve()
  },
  concurrency: Number(slots),
  rhythm,
  log,
})
startWorker({
  subscriber,
  store,
  activations,
  heartbeat,
  tickets,
  shutdownGraceMs: 0,
  onThrottle: () => {},
  log,
})
await done.promise
const cpu = process.cpuUsage(before.cpu)
const iterations = Number(tasks) * ITERATIONS
const { completed } = await store.stats()
process.stdout.write(
  `${JSON.stringify({
    iterations,
    completed,
    cpuMs: (cpu.user + cpu.system) / 1000 / iterations,
    commands: (commands - before.commands) / iterations,
    roundTrips: (roundTrips - before.roundTrips) / iterations,
  })}\n`,
)
process.exit(0)
