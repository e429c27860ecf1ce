/** Writes the history of a small run by hand, step by step, on a clock of its own. */
import { count, mirror, number } from './check-mirror.ts'
import type { Effect, History, LogEntry, ModelCall, ModelUsage, Plan, PlannedCall } from './history.ts'
import { taskText } from './plan.ts'
import { MODEL, nanoOf } from './prices.ts'

const T0 = 1_760_000_000_000
const WORKERS = { 'w1.0': 'worker-1', 'w2.0': 'worker-2' } as const
type Worker = keyof typeof WORKERS

const ESTIMATE = {
  estimated_input_tokens: 500,
  estimated_cost_usd: nanoOf({ input_tokens: 500, output_tokens: 0, cached_tokens: 0 }) / 1e9,
}
const usageOf = (n: number): ModelUsage => ({ input_tokens: 400 + n, output_tokens: n, cached_tokens: 7 * n })

interface ScriptTask {
  task_id: string
  session_id: string
  plan: Plan
  parent?: string
}

/** `turns`: what each answer calls. */
export const planFrom = (marker: string, turns: PlannedCall['kind'][][]): Plan => ({
  marker,
  turns: turns.map((kinds) => ({
    calls: kinds.map((kind): PlannedCall => ({ kind, beforeMs: 0, afterMs: 0 })),
    modelMs: 10,
  })),
})

export const createScript = () => {
  let now = T0
  let nonces = 0
  const after = (ms: number) => (now += ms)
  const history: History = {
    seed: 4711,
    settings: { tasks: 8, workers: 2 },
    startedAt: T0,
    endedAt: T0,
    submissions: [],
    cancels: [],
    deletions: [],
    logs: {},
    effects: [],
    modelCalls: [],
    costs: { tasks: {}, sessions: {}, days: {}, models: {} },
    readers: [],
    faults: [],
    workers: Object.entries(WORKERS).map(([name, worker_id], i) => ({
      name,
      worker_id,
      pid: i,
      slots: 4,
      startedAt: T0,
    })),
    leftovers: { unfinished: [], due: [], tickets: [], leases: [], keys: [], children: [] },
  }
  /** By task and turn: the nonce of the answer in the log. */
  const answered = new Map<string, string>()
  const attempts = new Map<string, number>()
  /** By task: the model call that has no outcome yet. */
  const open = new Map<string, string>()

  const log = (
    { task_id: task, session_id, parent }: ScriptTask,
    type: string,
    data: LogEntry['data'] = {},
  ) => {
    const entry = { id: '', task, seq: 0, at: after(3), type, data, ...(parent !== undefined && { parent }) }
    ;(history.logs[session_id] ??= []).push(entry)
  }
  const tokenOf = ({ plan }: ScriptTask, turn: number, index: number) =>
    `${plan.marker}.${turn}.${index}.${answered.get(`${plan.marker}.${turn}`)}`
  const kindOf = ({ plan }: ScriptTask, turn: number, index: number) =>
    plan.turns[turn]?.calls[index]?.kind ?? 'read'
  const subtasksOf = (task: ScriptTask, turn: number, index: number): Plan[] =>
    (task.plan.turns[turn]?.calls[index]?.subtasks ?? []).map((plan) => ({
      ...plan,
      call: tokenOf(task, turn, index),
    }))
  const argumentsOf = (task: ScriptTask, turn: number, index: number) =>
    kindOf(task, turn, index) === 'subagent'
      ? { subtasks: subtasksOf(task, turn, index).map(taskText) }
      : { command: `sleep 0.1; curl http://127.0.0.1:80/${tokenOf(task, turn, index)}` }
  const callId = (turn: number, index: number) => `${turn + 1}.${index + 1}`

  const script = {
    submit(
      marker: string,
      session_id: string,
      turns: PlannedCall['kind'][][],
      { keyless = false, children = [] as Plan[], atATime = 1 } = {},
    ): ScriptTask {
      const plan = planFrom(marker, turns)
      for (const { calls } of plan.turns)
        for (const call of calls)
          if (call.kind === 'subagent') Object.assign(call, { subtasks: children, atATime })
      const task = { task_id: `task-${marker}`, session_id, plan }
      const sentAt = after(5)
      log(task, 'task_queued', { task: `CHAOS ${JSON.stringify(plan)}` })
      const answer = { sentAt, answeredAt: after(5), task_id: task.task_id }
      const tries = keyless
        ? [{ ...answer, status: 201 }]
        : [
            { sentAt, answeredAt: sentAt, status: 0 },
            { ...answer, status: 200 },
          ]
      history.submissions.push({
        marker,
        session_id,
        tries,
        plan,
        ...(keyless ? {} : { key: `key-${marker}` }),
      })
      return task
    },
    start(task: ScriptTask, worker: Worker) {
      attempts.set(task.task_id, 1)
      log(task, 'task_started', { worker: WORKERS[worker], attempt: 1 })
    },
    resume(task: ScriptTask, worker: Worker, attempt: number, reason = 'worker_lost') {
      after(4000)
      attempts.set(task.task_id, attempt)
      log(task, 'task_resumed', { worker: WORKERS[worker], attempt, reason })
      script.endCall(task, 'lost')
    },
    /** Starts the call, with its children behind it. */
    delegate(task: ScriptTask, turn: number, index: number): ScriptTask[] {
      script.startCall(task, turn, index)
      return subtasksOf(task, turn, index).map((plan) => {
        const { session_id, task_id: parent } = task
        const child = { task_id: `task-${plan.marker}`, session_id, plan, parent }
        log(child, 'task_queued', { task: taskText(plan) })
        return child
      })
    },
    iteration: (task: ScriptTask, turn: number) =>
      log(task, 'iteration_start', { iteration: turn + 1, max_iterations: 8 }),
    /** Returns the answer's nonce. */
    ask(task: ScriptTask, turn: number, worker: string, end: ModelCall['end'] = 'answered'): string {
      const { plan, task_id } = task
      nonces += 1
      const call = `${attempts.get(task_id)}.${nonces}`
      open.set(task_id, call)
      log(task, 'model_call_start', { call, model: MODEL, ...ESTIMATE })
      const nonce = `nonce${nonces}`
      const text = `turn ${turn} ${nonce} `
      const at = after(5)
      history.modelCalls.push({
        nonce,
        text,
        marker: plan.marker,
        turn,
        worker,
        at,
        closedAt: after(50),
        end,
        ...(end === 'answered' && { usage: usageOf(nonces) }),
      })
      if (end === '500') script.endCall(task, 'refused')
      return nonce
    },
    /** Of the call under way, if there is one. */
    endCall(task: ScriptTask, outcome: 'lost' | 'refused') {
      const call = open.get(task.task_id)
      if (call === undefined) return
      open.delete(task.task_id)
      const estimated_usage = {
        input_tokens: ESTIMATE.estimated_input_tokens,
        output_tokens: 0,
        cached_tokens: 0,
      }
      const { estimated_cost_usd } = ESTIMATE
      log(task, 'model_call_end', {
        call,
        model: MODEL,
        outcome,
        ...(outcome === 'lost' && { estimated_usage, estimated_cost_usd }),
      })
    },
    think(task: ScriptTask, turn: number, nonce: string) {
      const usage = usageOf(Number(nonce.slice('nonce'.length)))
      const call = open.get(task.task_id)
      open.delete(task.task_id)
      const { marker, turns } = task.plan
      answered.set(`${marker}.${turn}`, nonce)
      const tool_calls = (turns[turn]?.calls ?? []).map((_, index) => ({
        call_id: callId(turn, index),
        arguments: JSON.stringify(argumentsOf(task, turn, index)),
      }))
      log(task, 'think_complete', {
        call,
        iteration: turn + 1,
        content: `turn ${turn} ${nonce}`,
        tool_calls,
        usage,
        cost_usd: nanoOf(usage) / 1e9,
      })
    },
    startCall(task: ScriptTask, turn: number, index: number) {
      const kind = kindOf(task, turn, index)
      const effect = kind === 'read' ? 'read' : kind === 'subagent' ? 'durable' : 'write'
      const call_id = callId(turn, index)
      log(task, 'tool_call_start', {
        iteration: turn + 1,
        call_id,
        arguments: argumentsOf(task, turn, index),
        effect,
      })
    },
    effect(task: ScriptTask, turn: number, index: number) {
      const kind = kindOf(task, turn, index)
      if (kind === 'read' || kind === 'subagent') return
      const effect: Effect = { token: tokenOf(task, turn, index), kind, at: after(40) }
      history.effects.push(effect)
      after(40)
    },
    completeCall: (task: ScriptTask, turn: number, index: number, how: object = {}) =>
      log(task, 'tool_call_complete', { call_id: callId(turn, index), result: 'exit code 0', ...how }),
    runCalls(task: ScriptTask, turn: number) {
      for (const index of (task.plan.turns[turn]?.calls ?? []).keys()) {
        script.startCall(task, turn, index)
        script.effect(task, turn, index)
        script.completeCall(task, turn, index)
      }
      script.closeIteration(task, turn)
    },
    closeIteration: (task: ScriptTask, turn: number) =>
      log(task, 'iteration_complete', { iteration: turn + 1 }),
    turn(task: ScriptTask, worker: Worker, turn: number) {
      script.iteration(task, turn)
      script.think(task, turn, script.ask(task, turn, worker))
      script.runCalls(task, turn)
    },
    complete: (task: ScriptTask, final_answer = 'done') => log(task, 'task_complete', { final_answer }),
    cancelled: (task: ScriptTask) => log(task, 'task_cancelled', { reason: 'task cancelled by user' }),
    cancel({ task_id }: ScriptTask, status: number, meanwhile = () => {}) {
      const sentAt = after(200)
      meanwhile()
      history.cancels.push({ task_id, sentAt, answeredAt: after(5), status })
    },
    fault: (kind: 'kill_worker', target: string) => history.faults.push({ kind, target, at: after(5) }),
    watch(name: string, follows: History['readers'][number]['follows'], replay?: 'all') {
      const connects = [{ at: now, status: 200, lastEventId: '' }]
      const finished = !name.includes('left early')
      history.readers.push({ name, follows, events: [], connects, finished, ...(replay && { replay }) })
    },
    end(): History {
      number(history)
      count(history)
      mirror(history)
      history.deletions.push({ session_id: 's3', sentAt: after(5), answeredAt: after(200), status: 204 })
      delete history.logs['s3']
      history.endedAt = after(1000)
      return history
    },
  }
  return script
}
