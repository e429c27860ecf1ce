import { z } from 'zod'
import type { AgentDeps, AgentRun, AgentTask, Emitter, Throttle, Toolbox } from '../../src/agent/agent.ts'
import type { Model, ModelAnswer, ModelFailure, ModelRequest } from '../../src/agent/model.ts'
import { runAgent } from '../../src/agent/run-agent.ts'
import { createCalibration } from '../../src/agent/tokens.ts'
import type { ToolContext, ToolOutput } from '../../src/agent/tools/tool.ts'
import { LeaseLost } from '../../src/errors.ts'
import type { Log } from '../../src/log.ts'
import type { Effect, EphemeralEvent, Event, LogEvent } from '../../src/schemas/event.ts'

export const quiet: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => quiet,
}

/** Gives payloads their place in a session's log. */
export const placed = (
  events: readonly LogEvent[],
  taskId = 'task-1',
  extra: { parent_task_id?: string } = {},
): Event[] =>
  events.map((event, index) => ({
    ...event,
    id: `${index + 1}-0`,
    timestamp: '2026-01-01T00:00:00.000Z',
    session_id: 'session-1',
    task_id: taskId,
    seq: index + 1,
    ...extra,
  }))

export const queued = (task: string): LogEvent => ({ event_type: 'task_queued', task, position: 1 })

export interface Recorder extends Emitter {
  events: LogEvent[]
  frames: EphemeralEvent[]
  /** How many events each commit made durable. */
  commits: number[]
  /** Events that were durable when `mark` was called. */
  durable: () => number
}

/** Keeps what is emitted. From the `refuseFrom`th commit on, appends are refused. */
export const createRecorder = (refuseFrom = Infinity): Recorder => {
  const events: LogEvent[] = []
  const frames: EphemeralEvent[] = []
  const commits: number[] = []
  let durable = 0
  return {
    events,
    frames,
    commits,
    durable: () => durable,
    emit: (...more) => void events.push(...more),
    ephemeral: (frame) => void frames.push(frame),
    commit: async () => {
      if (commits.length + 1 >= refuseFrom) throw new LeaseLost('refused by the test')
      commits.push(events.length - durable)
      durable = events.length
    },
  }
}

export type Reply =
  | Partial<ModelAnswer>
  | ModelFailure
  | ((request: ModelRequest) => Promise<Partial<ModelAnswer>>)

/** Answers by how many answers the conversation already holds, so a resumed task goes on in the script. */
export const scripted = (replies: readonly Reply[]): { model: Model; requests: ModelRequest[] } => {
  const requests: ModelRequest[] = []
  const model: Model = async (request) => {
    requests.push({ ...request, messages: [...request.messages] })
    const position = request.messages.filter((message) => message.role === 'assistant').length
    const nudges = request.messages.filter(
      (m) => m.role === 'user' && m.content.startsWith('Your last answer'),
    ).length
    const reply = replies[position + nudges] ?? { content: 'out of script' }
    if (typeof reply !== 'function' && 'kind' in reply) return { ok: false, failure: reply }
    const answer = typeof reply === 'function' ? await reply(request) : reply
    if (request.signal.aborted)
      return { ok: false, failure: { kind: 'aborted', code: 'aborted', message: 'aborted' } }
    const usage = { input_tokens: 10, output_tokens: 5, cached_tokens: 0 }
    return {
      ok: true,
      answer: { content: '', tool_calls: [], model: 'scripted', cut: false, usage, ...answer },
    }
  }
  return { model, requests }
}

export const call = (tool_name: string, args: unknown = {}) => ({
  tool_name,
  arguments: typeof args === 'string' ? args : JSON.stringify(args),
})

export interface TestTool {
  effect: Effect
  run: (args: Record<string, unknown>, context: ToolContext) => Promise<ToolOutput> | ToolOutput
}

/** Real objects behind the port: parses arguments, answers unknown names, counts what ran. */
const createTestToolbox = (tools: Record<string, TestTool>): Toolbox & { ran: string[] } => {
  const ran: string[] = []
  return {
    ran,
    specs: () =>
      Object.keys(tools).map((name) => ({ name, description: name, parameters: { type: 'object' } })),
    names: () => ({ allowed: Object.keys(tools), denied: [] }),
    effectOf: (name) => tools[name]?.effect ?? 'read',
    execute: async ({ tool_name, arguments: text }, context) => {
      const tool = tools[tool_name]
      if (!tool) return { content: `There is no tool ${tool_name}.`, error: 'unknown tool' }
      let args: unknown
      try {
        args = JSON.parse(text)
      } catch {
        return { content: 'The arguments are not valid JSON.', error: 'invalid arguments' }
      }
      ran.push(`${tool_name} ${context.callKey}`)
      return tool.run(z.record(z.string(), z.unknown()).parse(args), context)
    },
  }
}

export const echo: TestTool = { effect: 'read', run: ({ text }) => ({ content: `echo: ${String(text)}` }) }
export const save: TestTool = { effect: 'write', run: ({ text }) => ({ content: `saved: ${String(text)}` }) }

export const noThrottle: Throttle = { waitMs: () => 0, report: () => {} }

export const testTask: AgentTask = {
  task_id: 'task-1',
  session_id: 'session-1',
  task: 'do it',
  agent_preset: 'default',
  tool_preset: 'full',
  models: ['model-a'],
  max_iterations: 10,
  max_tokens: 1000,
  attempt: 1,
  worker: 'worker-1',
  resume_reason: 'worker_lost',
}

export interface Setup {
  task?: Partial<AgentTask>
  history?: readonly Event[]
  model: Model
  tools?: Record<string, TestTool>
  recorder?: Recorder
  signal?: AbortSignal
  shouldPause?: () => boolean
  throttle?: Throttle
  delegation?: AgentRun['delegation']
  deps?: Partial<AgentDeps>
  toolContext?: AgentRun['toolContext']
}

/** Runs one activation with everything it emits recorded. */
export const activate = async (setup: Setup) => {
  const recorder = setup.recorder ?? createRecorder()
  const toolbox = createTestToolbox(setup.tools ?? { echo, save })
  const run: AgentRun = {
    task: { ...testTask, ...setup.task },
    history: setup.history ?? placed([queued('do it')]),
    model: setup.model,
    emitter: recorder,
    throttle: setup.throttle ?? noThrottle,
    delegation: setup.delegation ?? {
      start: async () => Promise.reject(new Error('no children here')),
      results: async () => Promise.reject(new Error('no children here')),
    },
    toolContext: setup.toolContext ?? {
      workspace: '/workspace',
      assertLease: () => {},
      guard: {
        run: async () => Promise.reject(new Error('no guard here')),
        rename: async () => Promise.reject(new Error('no guard here')),
        serve: () => {
          throw new Error('no guard here')
        },
        isWatching: () => false,
        beaten: async () => {},
        temporary: () => ({ [Symbol.dispose]: () => {} }),
        beat: () => {},
        [Symbol.asyncDispose]: async () => {},
      },
      todos: { read: async () => [], write: async () => {} },
    },
    signal: setup.signal ?? new AbortController().signal,
    shouldPause: setup.shouldPause ?? (() => false),
    log: quiet,
  }
  const deps: AgentDeps = {
    toolbox,
    systemPrompt: async () => 'You are a test.',
    windowOf: async () => 128_000,
    calibration: createCalibration(),
    retry: { baseMs: 1 },
    abortGraceMs: 20,
    ...setup.deps,
  }
  return { run: runAgent(run, deps), recorder, toolbox }
}

export const types = (events: readonly LogEvent[]): string[] => events.map((event) => event.event_type)

export const ofType = <T extends LogEvent['event_type']>(events: readonly LogEvent[], type: T) =>
  events.filter((event): event is Extract<LogEvent, { event_type: T }> => event.event_type === type)
