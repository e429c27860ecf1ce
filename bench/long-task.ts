/** A task that is half done, as a worker that was lost leaves it behind. Written through the store. */
import { randomUUID } from 'node:crypto'
import type { LogEvent } from '../src/schemas/event.ts'
import { newRecord } from '../src/tasks/record.ts'
import type { Ticket } from '../src/tasks/replies.ts'
import type { Store } from '../src/tasks/store.ts'

const DEFAULTS = {
  model: 'bench',
  agent_preset: 'default',
  tool_preset: 'full',
  max_iterations: 1000,
  task_timeout_s: 3600,
}
const AT_ONCE = 120

/** One that read a file, with the six events that this leaves. */
const iterationOf = (iteration: number): LogEvent[] => {
  const call_id = `${iteration}.1`
  const tool_name = 'file_read'
  const path = `src/part-${iteration}.ts`
  const call = `call-${iteration}`
  return [
    { event_type: 'iteration_start', iteration, max_iterations: DEFAULTS.max_iterations },
    {
      event_type: 'model_call_start',
      call,
      iteration,
      model: DEFAULTS.model,
      estimated_input_tokens: 4000,
      max_tokens: 4096,
    },
    {
      event_type: 'think_complete',
      call,
      iteration,
      content: `I look at part ${iteration}.`,
      tool_calls: [{ call_id, tool_name, arguments: JSON.stringify({ path }) }],
      model: DEFAULTS.model,
      usage: { input_tokens: 4000, output_tokens: 20, cached_tokens: 0 },
      duration: 800,
    },
    { event_type: 'tool_call_start', iteration, call_id, tool_name, arguments: { path }, effect: 'read' },
    {
      event_type: 'tool_call_complete',
      call_id,
      tool_name,
      result: Array.from({ length: 8 }, (_, line) => `${line + 1}  export const part${line} = ${line}`).join(
        '\n',
      ),
      duration: 3,
    },
    { event_type: 'iteration_complete', iteration, tokens_used: 4020, tools_run: 1 },
  ]
}

/** `events`: in its log, about. Returns the ticket for its next activation. */
export const leaveLongTask = async (store: Store, events: number): Promise<Ticket> => {
  const task_id = `task-${randomUUID()}`
  const made = await store.create({
    task_id,
    session_id: `session-${randomUUID()}`,
    fields: newRecord({ task: 'Read every part and say what is odd.' }, DEFAULTS),
    title: 'Read every part',
  })
  const [ticket] = 'tickets' in made ? made.tickets : []
  if (!ticket) throw new Error('the task cannot run')
  const lease = { task_id, activation: randomUUID() }
  const begun = await store.begin(ticket, lease.activation, 'lost-worker')
  if (!('record' in begun)) throw new Error(`begin answered ${begun.verdict}`)
  const history: LogEvent[] = [
    {
      event_type: 'task_started',
      worker: 'lost-worker',
      attempt: 1,
      tools: { allowed: ['file_read'], denied: [] },
    },
  ]
  for (let iteration = 1; history.length < events; iteration += 1) history.push(...iterationOf(iteration))
  let { seq } = begun.record
  while (history.length > 0) {
    const some = history.splice(0, AT_ONCE)
    const told = await store.append(lease, seq, some, { set: {}, add: {} })
    if (told.verdict !== 'ok') throw new Error(told.why)
    seq += some.length
  }
  const released = await store.release(lease, 'worker_lost')
  const [next] = released.verdict === 'ok' ? released.tickets : []
  if (!next) throw new Error('the task was not handed over')
  return next
}
