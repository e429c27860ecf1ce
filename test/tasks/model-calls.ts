/** A call of the store as data, so that it can be made of the model and of Redis, and be sent again. */
import { vi } from 'vitest'
import type { LogEvent, TerminalEvent } from '../../src/schemas/event.ts'
import type { TaskStatus } from '../../src/schemas/task.ts'
import { childId } from '../../src/tasks/delegating.ts'
import type { Ticket } from '../../src/tasks/replies.ts'
import type { Store } from '../../src/tasks/store.ts'
import { createProgress } from '../../workers/emitter.ts'
import { TASK_FIELDS } from '../support/task-fields.ts'

export type EventName =
  | 'iteration_start'
  | 'model_call_start'
  | 'model_call_end'
  | 'think_complete'
  | 'iteration_complete'

export interface Holding {
  task: string
  activation: string
}

/** One call of the store. The same one sent again has the same arguments, a beat its random number too. */
export type Call =
  | { name: 'create'; task: string; session: string; priority: number; scheduled: boolean; idem?: Idem }
  | { name: 'begin'; task: string; n: number; activation: string; worker: string }
  | ({ name: 'append'; seq: number; events: EventName[] } & Holding)
  | ({ name: 'finish'; seq: number; events: EventName[]; end: Ended } & Holding)
  | ({ name: 'delegate'; seq: number; count: number; limit: number } & Holding)
  | ({ name: 'release'; reason: 'drained' | 'worker_lost' } & Holding)
  | { name: 'cancel'; task: string; reason: string }
  | { name: 'beat'; worker: string; random: number; leases: Holding[] }
  | { name: 'deleteSession' | 'purgeSession'; session: string }

export type Ended = 'completed' | 'failed' | 'cancelled'
type Idem = { key: string; hash: string }

/** What the caller is told. `seqs`: where the appended events stand in the task's log. */
export interface Answer {
  verdict: string
  tickets?: Ticket[]
  status?: TaskStatus
  attempt?: number
  seqs?: number[]
  cancel?: boolean
  leases?: string[]
  purge?: string[]
  quiet?: boolean
  first?: string
}

/** What only Redis knows: log ids, and how long until something is due. */
type Told = Answer & { ids?: string[]; nextDueMs?: number }

export const perform = async (store: Store, call: Call): Promise<Told> => {
  switch (call.name) {
    case 'create': {
      const { task, idem } = call
      const result = await store.create({
        task_id: task,
        session_id: call.session,
        title: 't',
        fields: { ...TASK_FIELDS, priority: String(call.priority) },
        ...(call.scheduled ? { run_at_ms: Date.now() + FAR_MS } : {}),
        ...(idem ? { idempotency: { ...idem, answer: task } } : {}),
      })
      return 'answer' in result ? { verdict: result.verdict, first: result.answer } : result
    }
    case 'begin': {
      const result = await store.begin({ task_id: call.task, n: call.n }, call.activation, call.worker)
      return 'record' in result ? { verdict: result.verdict, attempt: result.record.attempt } : result
    }
    case 'append': {
      const events = call.events.map(eventOf)
      const result = await store.append(leaseOf(call), call.seq, events, progressOf(events))
      return result.verdict === 'ok' ? result : { verdict: result.verdict }
    }
    case 'finish': {
      const events = call.events.map(eventOf)
      const end = TERMINALS[call.end]
      const { set, ...counted } = progressOf(events)
      const progress = { set: { ...set, ...RESULTS[call.end] }, ...counted }
      const result = await store.finish(leaseOf(call), call.seq, events, end, progress)
      return result.verdict === 'ok' ? result : { verdict: result.verdict }
    }
    case 'delegate': {
      const { seq, limit } = call
      const children = childrenOf(call).map((task_id) => ({ task_id, fields: TASK_FIELDS }))
      const result = await store.delegate(leaseOf(call), seq, { start: START, limit, children })
      return result.verdict === 'ok' ? result : { verdict: result.verdict }
    }
    case 'release': {
      const result = await store.release(leaseOf(call), call.reason)
      return result.verdict === 'ok' ? result : { verdict: result.verdict }
    }
    case 'cancel': {
      const result = await store.cancel(call.task, call.reason, 'user')
      if (result.verdict === 'not_found') return result
      return { verdict: result.verdict, status: result.status, tickets: result.tickets }
    }
    case 'beat': {
      const drawn = vi.spyOn(Math, 'random').mockReturnValue(call.random)
      const beat = store.beat({ id: call.worker, info: '{}' }, call.leases.map(leaseOf), 1000)
      drawn.mockRestore()
      // Of what no call here changes, or only with time.
      const { sessionsDue: _, ticketsTaken: __, ...told } = await beat
      return { verdict: 'ok', ...told }
    }
    case 'deleteSession':
      return { verdict: await store.deleteSession(call.session, 'session deleted', 'user') }
    case 'purgeSession':
      return { verdict: await store.purgeSession(call.session) }
  }
}

/** Ids of the tasks that a delegation makes: of the same one always the same. */
export const childrenOf = (call: { task: string; seq: number; count: number }): string[] =>
  Array.from({ length: call.count }, (_, index) => childId(call.task, `${call.seq}.1`, index))

const START = {
  event_type: 'tool_call_start',
  iteration: 1,
  call_id: '1.1',
  tool_name: 'subagent',
  arguments: {},
  effect: 'durable',
} as const satisfies LogEvent

/** What is counted of a call that broke off, and of one nobody tells the outcome of. */
export const BROKEN_TOKENS = 5
export const LOST_TOKENS = 9

/** Longer than any run. */
export const FAR_MS = 3_600_000

const leaseOf = ({ task, activation }: Holding) => ({ task_id: task, activation })

/** As an activation tells that began the iteration itself. */
const progressOf = (events: readonly LogEvent[]) => {
  const progress = createProgress()
  progress([eventOf('iteration_start')])
  return progress(events)
}

const eventOf = (name: EventName): LogEvent => {
  switch (name) {
    case 'iteration_start':
      return { event_type: name, iteration: 1, max_iterations: 10 }
    case 'model_call_start':
      return {
        event_type: name,
        call: 'c',
        iteration: 1,
        model: 'm',
        estimated_input_tokens: LOST_TOKENS,
        estimated_cost_usd: 1e-9,
        max_tokens: 10,
      }
    case 'model_call_end':
      return {
        event_type: name,
        call: 'c',
        iteration: 1,
        model: 'm',
        outcome: 'broken',
        estimated_usage: { input_tokens: BROKEN_TOKENS - 1, output_tokens: 1, cached_tokens: 0 },
      }
    case 'think_complete':
      return {
        event_type: name,
        iteration: 1,
        content: 'hm',
        tool_calls: [],
        model: 'm',
        usage: { input_tokens: 4, output_tokens: 3, cached_tokens: 0 },
        duration: 1,
      }
    case 'iteration_complete':
      return { event_type: name, iteration: 1, tokens_used: 7, tools_run: 0 }
  }
}

const totals = { total_iterations: 1, total_tokens: 7, duration: 5 }
const TERMINALS: Record<Ended, TerminalEvent | null> = {
  completed: { event_type: 'task_complete', final_answer: 'done', stop_reason: 'final_answer', ...totals },
  failed: {
    event_type: 'task_failed',
    error: { code: 'e', message: 'broke' },
    stop_reason: 'error',
    ...totals,
  },
  // Made by the script, from the record.
  cancelled: null,
}

/** What a worker leaves in the record with each end. */
const RESULTS: Record<Ended, Record<string, string>> = {
  completed: { answer: 'done', stop_reason: 'final_answer' },
  failed: { error: '{"code":"e","message":"broke"}', message: 'broke', stop_reason: 'error' },
  cancelled: {},
}
