/**
 * The rules of tasks and sessions, said as plainly as they can be: what every change of the store answers and
 * does, whoever calls it, in whatever order, and however often. No Redis, no clock: time is what is said to pass.
 */
import { isEnded } from '../../src/schemas/task.ts'
import type { Ticket } from '../../src/tasks/replies.ts'
import {
  type Answer,
  BROKEN_TOKENS,
  type Call,
  childrenOf,
  type Ended,
  type EventName,
  LOST_TOKENS,
} from './model-calls.ts'
import { createFamilies, tasksOf } from './model-children.ts'
import { type ModelTask, NEW } from './model-task.ts'

const TERMINAL = { completed: 'task_complete', failed: 'task_failed', cancelled: 'task_cancelled' }
const LOSSES_TO_FAIL = 5
const LOSSES_TO_SUSPECT = 2

/** Of the same time the first by name. */
const byTime = ([a, x]: [string, number], [b, y]: [string, number]) =>
  x === y ? (a < b ? -1 : 1) : x < y ? -1 : 1

export type Model = ReturnType<typeof createModel>

export const createModel = () => {
  const tasks = new Map<string, ModelTask>()
  const sessions = new Map<string, { line: string[]; deleted: boolean }>()
  const idems = new Map<string, { hash: string; first: string }>()
  const beats = new Map<string, { random: number; tickets: Ticket[]; purge: string[] }>()
  /** Tasks and sessions whose time has come to be looked at, and when that was; time passes by counting. */
  const due = new Map<string, number>()
  /** Tasks whose ticket is due to be looked for. */
  const dueTickets = new Set<string>()
  /** Tickets in the queue, as `<task>.<n>`. */
  const queue = new Set<string>()
  /** The last task under suspicion that each worker began. */
  const suspects = new Map<string, string>()
  /** `silent`: nobody beat for a while. `grace`: so every lease counts as live for one more length. */
  const fleet = { silent: false, grace: false }

  const lineOf = (task: ModelTask) => sessions.get(task.session)?.line ?? []
  const isHead = (task: ModelTask) => lineOf(task)[0] === task.id
  const isLive = (task: ModelTask) => !task.lapsed || fleet.grace
  const isDeleted = (task: ModelTask) => sessions.get(task.session)?.deleted === true

  /** Exactly then its ticket is good, and in the queue or looked for. */
  const isRunnable = (task: ModelTask) =>
    task.status === 'pending' &&
    (task.parent === null ? isHead(task) : task.ticket > 0) &&
    !task.heldBack &&
    !task.scheduled

  const isQuiet = () => ![...tasks.values()].some((task) => task.status === 'running' || isRunnable(task))

  const isAtWork = (task: ModelTask) => task.status === 'running' && isLive(task)

  const ticketOf = (task: ModelTask): Ticket => ({
    task_id: task.id,
    n: task.ticket,
    priority: task.attempt === 0 && task.parent === null ? task.priority + 2 : 1,
  })

  /** A ticket given before is given again to who asks again, while it is good. */
  const again = (...ids: string[]): Ticket[] =>
    ids
      .flatMap((id) => tasks.get(id) ?? [])
      .filter(isRunnable)
      .map(ticketOf)

  const makeRunnable = (task: ModelTask): Ticket[] => {
    task.ticket += 1
    dueTickets.delete(task.id)
    if (task.overdue === null) due.delete(task.id)
    else due.set(task.id, task.overdue)
    return [ticketOf(task)]
  }

  const { openChildren, startChildren, goOn, childrenOutOfTime } = createFamilies({
    tasks,
    isAtWork,
    makeRunnable,
    end: (task, status) => end(task, status),
  })

  const joinLine = (task: ModelTask): Ticket[] => {
    task.scheduled = false
    lineOf(task).push(task.id)
    due.delete(task.id)
    return isHead(task) ? makeRunnable(task) : []
  }

  const end = (task: ModelTask, status: Ended): Ticket[] => {
    if (task.modelCallOpen) {
      task.log.push('model_call_end')
      task.estimatedTokens += LOST_TOKENS
      task.modelCallOpen = false
    }
    task.log.push(TERMINAL[status])
    const wasHead = isHead(task)
    const session = sessions.get(task.session)
    if (session) session.line = session.line.filter((id) => id !== task.id)
    Object.assign(task, { status, activation: null, lapsed: false, scheduled: false, heldBack: false })
    due.delete(task.id)
    dueTickets.delete(task.id)
    const parent = tasks.get(task.parent ?? '')
    const tickets = parent?.status === 'waiting' ? goOn(parent) : []
    if (isDeleted(task)) due.set(task.session, Number.POSITIVE_INFINITY)
    const next = tasks.get(lineOf(task)[0] ?? '')
    if (wasHead && next && !isDeleted(task)) tickets.push(...makeRunnable(next))
    task.woke = tickets.map((ticket) => ticket.task_id)
    return tickets
  }

  const write = (task: ModelTask, events: readonly EventName[]): number[] => {
    task.modelCallOpen ||= events.includes('model_call_start')
    // An outcome comes after its start, so of both in one write it is the last.
    if (events.includes('model_call_end')) task.modelCallOpen = false
    return events.map((event) => {
      if (event === 'model_call_end') task.estimatedTokens += BROKEN_TOKENS
      if (event === 'think_complete') {
        task.modelCalls += 1
        task.tokens += 7
      }
      if (event === 'iteration_complete') task.losses = 0
      return task.log.push(event)
    })
  }

  const cancel = (task: ModelTask, reason: string): Answer => {
    if (task.status === 'cancelled') return { verdict: 'cancelled', tickets: again(...task.woke) }
    if (isEnded(task.status)) return { verdict: 'ended', tickets: [] }
    task.cancel ??= reason
    if (isAtWork(task)) return { verdict: 'flagged', tickets: [] }
    if (task.status === 'waiting') {
      const tickets = openChildren(task).flatMap((child) => cancel(child, reason).tickets ?? [])
      return { verdict: isEnded(tasks.get(task.id)?.status ?? 'waiting') ? 'cancelled' : 'flagged', tickets }
    }
    return { verdict: 'cancelled', tickets: end(task, 'cancelled') }
  }

  const lose = (task: ModelTask): Ticket[] => {
    task.losses += 1
    if (task.losses >= LOSSES_TO_FAIL) return end(task, 'failed')
    Object.assign(task, { status: 'pending', activation: null, lapsed: false, resumeReason: 'worker_lost' })
    task.aloneOver = task.losses < LOSSES_TO_SUSPECT
    return makeRunnable(task)
  }

  /** Whether `worker` is at work on another task under suspicion; if not, this one is known as such. */
  const besideASuspect = (task: ModelTask, worker: string): boolean => {
    const other = tasks.get(suspects.get(worker) ?? '')
    if (
      !task.aloneOver &&
      other !== undefined &&
      other !== task &&
      other.status === 'running' &&
      other.worker === worker &&
      other.losses >= LOSSES_TO_SUSPECT
    )
      return true
    suspects.set(worker, task.id)
    return false
  }

  /** Somebody looks at a task whose time has come. */
  const lookAt = (task: ModelTask): Ticket[] => {
    if (isEnded(task.status)) return []
    if (task.status === 'running') {
      if (isLive(task)) due.delete(task.id)
      else if (task.cancel !== null) return end(task, 'cancelled')
      else if (task.overdue !== null) return end(task, 'failed')
      else return lose(task)
      return []
    }
    if (task.status === 'waiting') {
      due.delete(task.id)
      return task.overdue === null ? [] : childrenOutOfTime(task)
    }
    if (task.overdue !== null) return end(task, 'failed')
    if (task.heldBack) {
      task.heldBack = false
      return makeRunnable(task)
    }
    if (task.scheduled) return joinLine(task)
    due.delete(task.id)
    return []
  }

  const holds = (task: ModelTask, activation: string) =>
    task.status === 'running' && task.activation === activation

  const answer = (call: Call): Answer => {
    switch (call.name) {
      case 'create': {
        const existing = tasks.get(call.task)
        if (existing) return { verdict: 'created', tickets: again(existing.id) }
        const known = call.idem && idems.get(call.idem.key)
        if (known?.hash === call.idem?.hash && known) return { verdict: 'replayed', first: known.first }
        if (known) return { verdict: 'conflict' }
        if (sessions.get(call.session)?.deleted) return { verdict: 'session_deleted' }
        if (!sessions.has(call.session)) sessions.set(call.session, { line: [], deleted: false })
        if (call.idem) idems.set(call.idem.key, { hash: call.idem.hash, first: call.task })
        const { task: id, session, priority, scheduled } = call
        const task: ModelTask = { ...NEW, id, session, priority, scheduled, log: ['task_queued'] }
        tasks.set(id, task)
        return { verdict: 'created', tickets: scheduled ? [] : joinLine(task) }
      }
      case 'begin': {
        const task = tasks.get(call.task)
        if (!task) return { verdict: 'gone', tickets: [] }
        if (task.status === 'cancelled') return { verdict: 'cancelled', tickets: [] }
        if (isEnded(task.status)) return { verdict: 'ended', tickets: again(...task.woke) }
        const held = task.status === 'running'
        if (held && task.activation !== call.activation) return { verdict: 'held', tickets: [] }
        if (!held) {
          if (!isRunnable(task) || task.ticket !== call.n) return { verdict: 'stale', tickets: [] }
          if (task.overdue !== null) return { verdict: 'ended', tickets: end(task, 'failed') }
          if (task.losses >= LOSSES_TO_SUSPECT && besideASuspect(task, call.worker)) {
            // Held back, and its ticket void.
            task.ticket += 1
            task.heldBack = true
            due.delete(task.id)
            dueTickets.delete(task.id)
            return { verdict: 'stale', tickets: [] }
          }
          const { activation, worker } = call
          Object.assign(task, { status: 'running', activation, worker, attempt: task.attempt + 1 })
          due.delete(task.id)
          dueTickets.delete(task.id)
        }
        return { verdict: task.attempt > 1 ? 'resumed' : 'started', attempt: task.attempt }
      }
      case 'append': {
        const task = tasks.get(call.task)
        if (!task || isDeleted(task)) return { verdict: 'gone' }
        if (!holds(task, call.activation)) return { verdict: 'lost' }
        const asked = task.cancel !== null
        if (task.log.length !== call.seq) {
          const { by, from, seqs = [] } = task.appended ?? {}
          const same = by === call.activation && from === call.seq
          return same ? { verdict: 'ok', cancel: asked, seqs } : { verdict: 'lost' }
        }
        const seqs = write(task, call.events)
        task.appended = { by: call.activation, from: call.seq, seqs }
        task.lapsed = false
        due.delete(task.id)
        return { verdict: 'ok', cancel: asked, seqs }
      }
      case 'finish': {
        const task = tasks.get(call.task)
        if (!task) return { verdict: 'gone' }
        if (isEnded(task.status) && task.endedBy === call.activation)
          return { verdict: 'ok', status: task.status, tickets: again(...task.woke) }
        if (!holds(task, call.activation) || task.log.length !== call.seq) return { verdict: 'lost' }
        write(task, call.events)
        task.endedBy = call.activation
        const status = task.cancel === null ? call.end : 'cancelled'
        return { verdict: 'ok', tickets: end(task, status), status }
      }
      case 'delegate': {
        const task = tasks.get(call.task)
        if (!task || isDeleted(task)) return { verdict: 'gone' }
        const { activation: by, seq: from, limit: childLimit } = call
        if (task.delegated?.by === by && task.delegated.from === from)
          return { verdict: 'ok', tickets: again(...task.children) }
        if (!holds(task, by) || task.log.length !== from) return { verdict: 'lost' }
        if (task.cancel !== null) return { verdict: 'cancel' }
        task.log.push('tool_call_start')
        const children = childrenOf(call)
        const { session, overdue } = task
        for (const id of children) {
          const more = { id, session, parent: task.id, priority: 5, scheduled: false, overdue }
          tasks.set(id, { ...NEW, ...more, log: ['task_queued'] })
        }
        const waits = { status: 'waiting', activation: null, lapsed: false, delegated: { by, from } }
        Object.assign(task, { ...waits, children, childLimit })
        if (overdue === null) due.delete(task.id)
        else due.set(task.id, overdue)
        return { verdict: 'ok', tickets: startChildren(task) }
      }
      case 'release': {
        const task = tasks.get(call.task)
        if (!task) return { verdict: 'gone' }
        if (task.releasedBy === call.activation) return { verdict: 'ok', tickets: again(task.id) }
        if (task.status === 'cancelled' && task.endedBy === call.activation)
          return { verdict: 'ok', tickets: again(...task.woke) }
        if (!holds(task, call.activation)) return { verdict: 'lost' }
        if (task.cancel !== null) {
          task.endedBy = call.activation
          return { verdict: 'ok', tickets: end(task, 'cancelled') }
        }
        const { activation: releasedBy, reason: resumeReason } = call
        Object.assign(task, { status: 'pending', activation: null, lapsed: false, releasedBy, resumeReason })
        return { verdict: 'ok', tickets: makeRunnable(task) }
      }
      case 'cancel': {
        const task = tasks.get(call.task)
        if (!task || isDeleted(task)) return { verdict: 'not_found' }
        const result = cancel(task, call.reason)
        return { ...result, status: task.status }
      }
      case 'beat': {
        fleet.grace ||= fleet.silent
        fleet.silent = false
        const leases = call.leases.map(({ task: id, activation }) => {
          const task = tasks.get(id)
          if (!task || !holds(task, activation)) return 'lost'
          task.lapsed = false
          due.delete(id)
          return task.cancel === null ? 'ok' : 'cancel'
        })
        const last = beats.get(call.worker)
        if (last?.random === call.random)
          return { verdict: 'ok', leases, tickets: last.tickets, purge: last.purge, quiet: isQuiet() }
        const tickets: Ticket[] = []
        const purge: string[] = []
        for (const [id] of [...due].toSorted(byTime)) {
          const task = tasks.get(id)
          if (task) tickets.push(...lookAt(task))
          else if (due.delete(id)) purge.push(id)
        }
        for (const id of dueTickets)
          if (!queue.has(`${id}.${tasks.get(id)?.ticket}`)) tickets.push(...again(id))
        dueTickets.clear()
        beats.set(call.worker, { random: call.random, tickets, purge })
        return { verdict: 'ok', leases, tickets, purge, quiet: isQuiet() }
      }
      case 'deleteSession': {
        const session = sessions.get(call.session)
        if (!session) return { verdict: 'not_found' }
        session.deleted = true
        for (const task of tasks.values())
          if (task.session === call.session && !isEnded(task.status)) cancel(task, 'session deleted')
        due.set(call.session, Number.POSITIVE_INFINITY)
        return { verdict: 'marked' }
      }
      case 'purgeSession': {
        const session = sessions.get(call.session)
        if (!session?.deleted) return { verdict: session ? 'not_deleted' : 'purged' }
        for (const task of tasksOf(tasks, call.session)) {
          if ([task, ...openChildren(task)].some(isAtWork)) return { verdict: 'busy' }
          if (!isEnded(task.status)) end(task, 'cancelled')
          tasks.delete(task.id)
        }
        sessions.delete(call.session)
        due.delete(call.session)
        return { verdict: 'purged' }
      }
    }
  }

  return { tasks, sessions, due, dueTickets, queue, fleet, isRunnable, isLive, answer }
}
