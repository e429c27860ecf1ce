/** The model and Redis side by side: makes each call of both, and compares what they answer and what they hold. */
import { expect } from 'vitest'
import { isEnded, TaskStatus } from '../../src/schemas/task.ts'
import type { Ticket } from '../../src/tasks/replies.ts'
import type { OpenStore } from '../support/redis.ts'
import type { Model } from './model.ts'
import { type Answer, type Call, childrenOf, FAR_MS, type Holding, perform } from './model-calls.ts'
import { checkInvariants, logOf, readState, type State } from './model-state.ts'
import type { ModelTask } from './model-task.ts'

export type World = ReturnType<typeof createWorld>

export const SESSIONS = ['a', 'b', 'c']

export const createWorld = (open: OpenStore, model: Model) => {
  const { store, redis } = open
  const { key } = store
  /** All that were ever made: most activations are void by now, most tickets stale. */
  const made = { tasks: [] as string[], activations: [] as Holding[], calls: [] as Call[], beats: 0 }
  const endings = new Map<string, Record<string, string>>()
  const story: string[] = []
  const far = Date.now() + 10 * FAR_MS
  let clock = 0
  let state: State

  const look = async () => {
    state = await readState(open, made.tasks, SESSIONS)
    checkInvariants(state)
    const known = [...model.tasks.values()].map((task) => [task.id, viewOfModel(task)])
    const found = made.tasks.flatMap((id) => (state.tasks[id] ? [[id, viewOfState(state, id)]] : []))
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(known))
    for (const id of SESSIONS)
      expect(Object.keys(state.sessions[id]?.line ?? {})).toEqual(model.sessions.get(id)?.line ?? [])
    for (const id of made.tasks) {
      const record = state.tasks[id]
      if (!record || !isEnded(TaskStatus.parse(record['status']))) continue
      if (!endings.has(id)) endings.set(id, record)
      expect(record, 'ended never changes').toEqual(endings.get(id))
    }
  }

  /** What nobody has let come must not come by itself, however slow this machine is. */
  const holdTime = async () => {
    const pipeline = redis.pipeline()
    for (const task of model.tasks.values())
      if (task.heldBack && !model.due.has(task.id)) pipeline.zadd(key('due'), 'XX', far, task.id)
    for (const id of model.sessions.keys())
      if (!model.due.has(id)) pipeline.zadd(key('due'), 'XX', far, `session:${id}`)
    for (const id of Object.keys(state.dueTickets))
      pipeline.zadd(key('due:tickets'), 'XX', model.dueTickets.has(id) ? 1 : far, id)
    if (model.fleet.silent) pipeline.set(key('last_beat'), Date.now() - 60_000)
    else pipeline.del(key('last_beat'))
    await pipeline.exec()
  }

  /** A call by somebody whose connection broke `times - 1` times before it had its answer. */
  const send = async (call: Call, times = 1): Promise<Answer> => {
    story.push(`${times > 1 ? `${times} times ` : ''}${JSON.stringify(call)}`)
    let first: Answer | undefined
    for (let i = 0; i < times; i++) {
      if (call.name === 'beat') await holdTime()
      const before = call.name === 'beat' ? await timeOf() : 0
      const expected = normal(model.answer(call))
      const { ids, nextDueMs, ...told } = await perform(store, call)
      const after = call.name === 'beat' ? await timeOf() : 0
      const previous = state
      await look()
      const answer = normal(ids ? { ...told, seqs: ids.map((id) => seqOf(call, id)) } : told)
      expect(answer, 'the answer').toEqual(expected)
      if (call.name === 'beat') {
        checkNextDue(nextDueMs, before, after)
        await checkAlone(previous, before, after)
      }
      if (first) {
        expect(answer, 'the answer to the call sent again').toEqual(first)
        expect(withoutTimes(state), 'what it changed').toEqual(withoutTimes(previous))
      }
      first ??= answer
    }
    return first ?? { verdict: '' }
  }

  const seqOf = (call: Call, id: string) =>
    'task' in call ? (logOf(state, call.task).find((entry) => entry.id === id)?.seq ?? -1) : -1

  const timeOf = async () => {
    const [seconds, micros] = await redis.time()
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
  }

  /** A task lost again runs alone for a random 1–10 s for each loss; here until `aloneEnds`. */
  const checkAlone = async (previous: State, before: number, after: number) => {
    for (const { id, losses } of model.tasks.values()) {
      const until = state.tasks[id]?.['alone_until']
      if (until === undefined || until === previous.tasks[id]?.['alone_until']) continue
      expect(Number(until)).toBeGreaterThanOrEqual(before + 1000 * losses)
      expect(Number(until)).toBeLessThanOrEqual(after + 10_000 * losses)
      await redis.hset(key('task', id), 'alone_until', far + made.calls.length)
    }
    await look()
  }

  const checkNextDue = (ms: number | undefined, before: number, after: number) => {
    const next = Math.min(...Object.values(state.due).filter((at) => at > after))
    if (ms === undefined) expect(next).toBe(Number.POSITIVE_INFINITY)
    else expect(ms).toSatisfy(() => ms >= next - after && ms <= next - before)
  }

  const jobOf = ({ task_id, n }: Pick<Ticket, 'task_id' | 'n'>) => key('tickets', `${task_id}.${n}`)

  return {
    model,
    made,
    story,
    start: look,
    /** Makes the call, remembers what it made, and adds its tickets to the queue unless the caller dies before. */
    async call(call: Call, { times = 1, dies = false }: { times?: number; dies?: boolean } = {}) {
      if (call.name === 'create' && !made.tasks.includes(call.task)) made.tasks.push(call.task)
      if (call.name === 'begin') made.activations.push({ task: call.task, activation: call.activation })
      if (call.name === 'delegate')
        made.tasks.push(...childrenOf(call).filter((id) => !made.tasks.includes(id)))
      made.calls.push(call)
      const answer = await send(call, times)
      if (dies) return answer
      for (const ticket of answer.tickets ?? []) {
        model.queue.add(`${ticket.task_id}.${ticket.n}`)
        await open.queue.add([ticket])
      }
      return answer
    },
    /** Its worker is through with it, or Redis lost it. */
    async dropJob(ticket: Pick<Ticket, 'task_id' | 'n'>) {
      model.queue.delete(`${ticket.task_id}.${ticket.n}`)
      await redis.unlink(jobOf(ticket))
    },

    // Time passes for one task, one session or all.
    async leaseRunsOut(task: ModelTask) {
      clock += 1
      task.lapsed = true
      model.due.set(task.id, clock)
      await redis.hset(key('task', task.id), 'lease_until', clock)
      await redis.zadd(key('due'), clock, task.id)
    },
    /** A parent's time is its children's too. */
    async timeIsUp(one: ModelTask) {
      const root = model.tasks.get(one.parent ?? '') ?? one
      for (const task of [root, ...root.children.flatMap((id) => model.tasks.get(id) ?? [])]) {
        if (isEnded(task.status)) continue
        clock += 1
        task.overdue = clock
        await redis.hset(key('task', task.id), 'deadline', clock)
        const isHeld = task.parent !== null && task.ticket === 0
        if (task.status === 'running' || isHeld) continue
        model.due.set(task.id, clock)
        await redis.zadd(key('due'), clock, task.id)
      }
    },
    async aloneEnds(task: ModelTask) {
      task.aloneOver = true
      await redis.hset(key('task', task.id), 'alone_until', 1)
    },
    /** A schedule, or the end of being held back. */
    async comes(task: ModelTask) {
      clock += 1
      model.due.set(task.id, clock)
      if (task.heldBack) await redis.hset(key('task', task.id), 'not_before', clock)
      await redis.zadd(key('due'), clock, task.id)
    },
    async sessionComes(session: string) {
      clock += 1
      model.due.set(session, clock)
      await redis.zadd(key('due'), clock, `session:${session}`)
    },
    ticketsCome() {
      for (const task of model.tasks.values()) if (model.isRunnable(task)) model.dueTickets.add(task.id)
    },
    async graceEnds() {
      model.fleet.grace = false
      await redis.del(key('grace_until'))
      for (const task of model.tasks.values()) if (task.lapsed) await this.leaseRunsOut(task)
    },
    note: (text: string) => story.push(text),
    look,
    keys: async () =>
      (await redis.keys(`${open.prefix}*`))
        .map((name) => name.slice(open.prefix.length + 1))
        .filter(
          (name) => !/^(tickets|idem|worker|workers|last_beat|grace_until|costs|counts)(:|$)/.test(name),
        ),
  }
}

const normal = (answer: Answer): Answer => ({
  ...answer,
  ...(answer.tickets ? { tickets: answer.tickets.toSorted((a, b) => (a.task_id < b.task_id ? -1 : 1)) } : {}),
  ...(answer.purge ? { purge: answer.purge.toSorted() } : {}),
})

const viewOfModel = (task: ModelTask) => ({
  session: task.session,
  parent: task.parent,
  children: task.children,
  status: task.status,
  log: task.log,
  scheduled: task.scheduled,
  heldBack: task.heldBack,
  ticket: task.ticket,
  attempt: task.attempt,
  activation: task.activation,
  losses: task.losses,
  cancel: task.cancel,
  resumeReason: task.resumeReason,
  modelCalls: task.modelCalls,
  tokens: task.tokens,
  estimatedTokens: task.estimatedTokens,
  modelCallOpen: task.modelCallOpen,
})

const viewOfState = (state: State, id: string): ReturnType<typeof viewOfModel> => {
  const record = state.tasks[id] ?? {}
  const pending = record['status'] === 'pending'
  return {
    session: record['session_id'] ?? '',
    parent: record['parent_task_id'] ?? null,
    children: record['children']?.split(' ') ?? [],
    status: record['status'] as ModelTask['status'],
    log: logOf(state, id).map(({ type }) => type),
    scheduled: pending && record['in_line'] === undefined && record['parent_task_id'] === undefined,
    heldBack: pending && record['not_before'] !== undefined,
    ticket: Number(record['ticket'] ?? 0),
    attempt: Number(record['attempt'] ?? 0),
    activation: record['status'] === 'running' ? (record['activation'] ?? '') : null,
    losses: Number(record['losses'] ?? 0),
    cancel: record['cancel'] ?? null,
    resumeReason: record['resume_reason'] ?? null,
    modelCalls: Number(record['model_calls'] ?? 0),
    tokens: Number(record['input_tokens'] ?? 0) + Number(record['output_tokens'] ?? 0),
    estimatedTokens: Number(record['estimated_tokens'] ?? 0),
    modelCallOpen: record['open:c'] !== undefined,
  }
}

/** All that a call sent again leaves as it was: it may keep leases longer, and look at a session once more. */
const withoutTimes = ({ tasks, status, sessions, recent, due, dueTickets }: State) => ({
  status,
  sessions,
  recent,
  due: Object.keys(due).toSorted(),
  dueTickets: Object.keys(dueTickets).toSorted(),
  tasks: Object.fromEntries(
    Object.entries(tasks).map(([id, record]) => [id, { ...record, lease_until: undefined }]),
  ),
})
