import { Redis } from 'ioredis'
import type { Model } from '../../src/agent/model.ts'
import { NO_PRICES } from '../../src/agent/prices.ts'
import { renderSystemPrompt } from '../../src/agent/prompts/system-prompt.ts'
import { runAgent } from '../../src/agent/run-agent.ts'
import { createCalibration } from '../../src/agent/tokens.ts'
import { createGuard } from '../../src/agent/tools/guard-client.ts'
import { createToolbox } from '../../src/agent/tools/registry.ts'
import { createSandbox } from '../../src/agent/tools/sandbox.ts'
import { createLog } from '../../src/log.ts'
import { createTicketQueue } from '../../src/tasks/queue.ts'
import { createStore, LEASE_MS } from '../../src/tasks/store.ts'
import { NO_TRACING } from '../../src/tracing.ts'
import { createActivations } from '../../workers/activations.ts'
import { createRunTask } from '../../workers/run-task.ts'
import { createTraceTask } from '../../workers/trace-task.ts'
import { agentTaskOf } from '../agent-task.ts'
import { leaveLongTask } from '../long-task.ts'
import { percentile } from '../numbers.ts'
import { startPlace } from '../place.ts'
import type { Figure, Suite } from '../report.ts'

const EVENTS = 1000
const RUNS = 60
const WARM_UP = 5
const BAR_MS = 20
const PREFIX = '{bench-resume}'

/** As a worker runs tasks, but in this process: both ends of the way are seen by the same clock. */
const createResumption = async (redis: Redis, folder: string) => {
  const log = await createLog({
    verbose: false,
    format: 'json',
    redact: (text) => text,
    sink: { write() {} },
  })
  const store = createStore({ redis, prefix: PREFIX, leaseMs: LEASE_MS })
  const queue = createTicketQueue({ redis, prefix: PREFIX, log })
  const nowhere = { closedDirs: [], env: {} }
  const sandbox = await createSandbox({ ...nowhere, mode: 'off', network: 'none' })
  const toolbox = createToolbox({ ...nowhere, sandbox })
  const calibration = createCalibration()
  const guard = createGuard({ leaseMs: LEASE_MS })
  let askedAt = Number.NaN
  const model: Model = async (request) => {
    askedAt = performance.now()
    const usage = { input_tokens: 4000, output_tokens: 3, cached_tokens: 0 }
    return {
      ok: true,
      answer: { content: 'All is well.', tool_calls: [], model: request.model, usage, cut: false },
    }
  }
  const runTask = createRunTask({
    store,
    queue,
    activations: createActivations(),
    leaseMs: LEASE_MS,
    workerId: 'bench',
    isDraining: () => false,
    traceTask: createTraceTask({ tracing: NO_TRACING, provider: { name: 'bench' } }),
    agentTask: agentTaskOf,
    runAgent: ({ assertLease, ...run }) =>
      runAgent(
        {
          ...run,
          model,
          throttle: { waitMs: () => 0, report() {} },
          toolContext: {
            workspace: folder,
            assertLease,
            guard,
            todos: { read: async () => [], write: async () => {} },
          },
        },
        {
          toolbox,
          calibration,
          windowOf: async () => 128_000,
          prices: NO_PRICES,
          systemPrompt: (task, workspace, tools) =>
            renderSystemPrompt({
              preset: task.agent_preset,
              workspace,
              closedDirs: [],
              tools,
              now: new Date(),
            }),
        },
      ),
    log,
  })
  return {
    /** Milliseconds from the ticket in hand until the model is asked. */
    async measure(): Promise<number> {
      const { task_id, n } = await leaveLongTask(store, EVENTS)
      const began = performance.now()
      await runTask({ task_id, ticket: n })
      return askedAt - began
    },
    async close() {
      await queue[Symbol.asyncDispose]()
      await guard[Symbol.asyncDispose]()
    },
  }
}

export const resume: Suite = {
  name: 'resume',
  about: `a task with ${EVENTS} events whose worker was lost, ticket → model asked`,
  async run(say): Promise<Figure[]> {
    await using place = await startPlace()
    const redis = new Redis(place.socket)
    const resumption = await createResumption(redis, place.folder)
    const times: number[] = []
    for (let run = -WARM_UP; run < RUNS; run += 1) {
      const ms = await resumption.measure()
      if (run === -WARM_UP) say(`the first of the process: ${ms.toFixed(1)} ms`)
      if (run >= 0) times.push(ms)
    }
    await resumption.close()
    redis.disconnect()
    return [
      { what: 'resume p50', value: percentile(times, 0.5), unit: 'ms', atMost: BAR_MS },
      { what: 'resume p99', value: percentile(times, 0.99), unit: 'ms' },
    ]
  },
}
