/** One activation of a task: begin, run the agent, finish or hand over. */
import { randomUUID } from 'node:crypto'
import type { AgentOutcome, AgentRun, AgentTask } from '../src/agent/agent.ts'
import { usdOf } from '../src/agent/prices.ts'
import { LeaseLost, messageOf } from '../src/errors.ts'
import type { Log } from '../src/log.ts'
import type { Event, StopReason, TaskError, TerminalEvent } from '../src/schemas/event.ts'
import { LOG_START } from '../src/tasks/event-log.ts'
import type { TicketJob, TicketQueue } from '../src/tasks/queue.ts'
import type { TaskRecord } from '../src/tasks/record.ts'
import type { Lease, Store } from '../src/tasks/store.ts'
import type { Activation, Activations, StopCause } from './activations.ts'
import { createDelegation } from './delegation.ts'
import { createEmitter, persist } from './emitter.ts'
import { createLeaseClock, monotonicMs } from './lease.ts'
import type { TraceTask } from './trace-task.ts'

export interface RunTaskOptions {
  store: Store
  queue: TicketQueue
  activations: Activations
  leaseMs: number
  workerId: string
  isDraining: () => boolean
  /** Runs the agent loop with all that does not depend on the task filled in. */
  runAgent: (
    run: Pick<AgentRun, 'task' | 'history' | 'emitter' | 'delegation' | 'signal' | 'shouldPause' | 'log'> & {
      lease: Lease
      assertLease: () => void
    },
  ) => Promise<AgentOutcome>
  agentTask: (record: TaskRecord) => AgentTask
  traceTask: TraceTask
  log: Log
}

const LOG_PAGE = 1000

export const createRunTask = (options: RunTaskOptions) => {
  const { store, queue, activations, leaseMs, workerId } = options

  return async (job: TicketJob): Promise<void> => {
    const lease: Lease = { task_id: job.task_id, activation: randomUUID() }
    const sentAt = monotonicMs()
    const begun = await persist(() =>
      store.begin({ task_id: job.task_id, n: job.ticket }, lease.activation, workerId),
    )
    if (!('record' in begun)) {
      await queue.add(begun.tickets)
      return
    }
    const { record } = begun
    const trace = options.traceTask(record, workerId)
    const log = options.log.child({
      task_id: record.id,
      session_id: record.session_id,
      attempt: record.attempt,
      ...trace.ids,
    })
    log.info({ ticket: job.ticket }, `[ServerCoordinator] task ${begun.verdict}`)

    const clock = createLeaseClock(leaseMs, sentAt)
    const controller = new AbortController()
    let cause: StopCause | null = null
    const activation: Activation = {
      ...lease,
      clock,
      stop(why) {
        if (cause) return
        cause = why
        controller.abort(why)
      },
    }
    const emitter = createEmitter({
      store,
      lease,
      clock,
      sessionId: record.session_id,
      seq: record.seq,
      recordFields: trace.recordFields,
      onCancel: () => activation.stop('cancelled'),
      onRefused: () => activation.stop('refused'),
    })
    const deadline = setTimeout(
      () => activation.stop('timeout'),
      Math.max(0, (record.deadline ?? Number.POSITIVE_INFINITY) - begun.now),
    )
    activations.add(activation)
    if (record.cancel !== undefined) activation.stop('cancelled')
    try {
      const history = await readAll(store, record.session_id)
      // `begin` refuses what a newer release has worked on; going on without knowing all steps could repeat one.
      if (history.some((event) => event.task_id === record.id && event.event_type === 'foreign'))
        throw new Error('the log of this task holds entries that this release cannot read')
      const outcome = await options.runAgent({
        task: options.agentTask(record),
        history,
        lease,
        assertLease: () => clock.assert(),
        emitter: trace.watch(emitter),
        delegation: createDelegation({
          store,
          queue,
          record,
          activation,
          position: () => emitter.position(),
          signal: controller.signal,
          trace: trace.context,
        }),
        signal: controller.signal,
        shouldPause: options.isDraining,
        log,
      })
      await emitter.settled()
      trace.conclude(outcome, cause)
      await conclude(outcome)
    } catch (error) {
      trace.fail(error instanceof LeaseLost ? 'lease_lost' : 'internal_error')
      await giveUp(error)
    } finally {
      clearTimeout(deadline)
      activations.delete(activation)
      trace.end()
    }

    async function conclude(outcome: AgentOutcome): Promise<void> {
      const totals = {
        total_iterations: outcome.total_iterations,
        total_tokens: outcome.total_tokens,
        ...(outcome.cost_usd !== undefined && { cost_usd: outcome.cost_usd }),
        duration: Date.now() - (record.started_at ?? Date.now()),
      }
      switch (outcome.kind) {
        case 'answered':
          return finish(
            {
              event_type: 'task_complete',
              final_answer: outcome.answer,
              stop_reason: outcome.stop_reason,
              ...totals,
            },
            { answer: outcome.answer, stop_reason: outcome.stop_reason },
          )
        case 'failed':
          return fail(outcome.error, outcome.stop_reason ?? 'error', outcome.partial_answer)
        case 'paused':
          return release('drained')
        case 'waiting':
          log.info({}, '[ServerCoordinator] task waits for its children')
          return
        case 'aborted':
          switch (cause) {
            case 'cancelled':
              return finish(null, {})
            case 'timeout':
              return fail(
                { code: 'timeout', message: `not done within ${record.timeout_s} s` },
                'timeout',
                outcome.partial_answer,
              )
            case 'drained':
              return release('drained')
            case 'refused':
            case null:
              return
          }
      }

      function fail(error: TaskError, stopReason: StopReason, partial?: string) {
        return finish(
          {
            event_type: 'task_failed',
            error,
            stop_reason: stopReason,
            ...(partial === undefined ? {} : { partial_answer: partial }),
            ...totals,
          },
          {
            error: JSON.stringify(error),
            message: error.message,
            stop_reason: stopReason,
            ...(partial === undefined ? {} : { answer: partial }),
          },
        )
      }
    }

    async function finish(terminal: TerminalEvent | null, set: Record<string, string>): Promise<void> {
      const { seq, rest, progress } = await emitter.close()
      const result = await persist(() =>
        store.finish(lease, seq, rest, terminal, { ...progress, set: { ...progress.set, ...set } }),
      )
      if (result.verdict !== 'ok') {
        log.warn({ why: result.why }, '[ServerCoordinator] end refused: the task is no longer ours')
        return
      }
      log.info({ status: result.status }, `[ServerCoordinator] task ${result.status}`)
      await queue.add(result.tickets)
    }

    /** Gives the task back to whoever is free; events not sent yet are dropped with the step they belong to. */
    async function release(reason: 'drained' | 'worker_lost'): Promise<void> {
      if (reason === 'drained') await emitter.commit()
      await emitter.close()
      const result = await persist(() => store.release(lease, reason))
      if (result.verdict !== 'ok') return
      log.info({ reason }, '[ServerCoordinator] task handed over')
      await queue.add(result.tickets)
    }

    async function giveUp(error: unknown): Promise<void> {
      if (error instanceof LeaseLost) {
        log.warn({ why: error.why }, '[ServerCoordinator] activation stopped')
        if (cause !== 'refused') await release('worker_lost')
        return
      }
      log.error(
        { err: messageOf(error), stack: error instanceof Error ? error.stack : undefined },
        '[ServerCoordinator] task broke',
      )
      const failure = {
        code: 'internal_error',
        message: 'ALEX failed while running this task; see the worker log',
      }
      const totals = {
        total_iterations: record.iteration,
        total_tokens: record.input_tokens + record.output_tokens,
        ...(record.cost_nano !== undefined && { cost_usd: usdOf(record.cost_nano) }),
      }
      await conclude({ kind: 'failed', error: failure, ...totals })
    }
  }
}

const readAll = async (store: Store, sessionId: string): Promise<Event[]> => {
  const events: Event[] = []
  let after = LOG_START
  for (;;) {
    const page = await persist(() => store.readLog(sessionId, after, LOG_PAGE))
    events.push(...page)
    if (page.length < LOG_PAGE) return events
    after = page.at(-1)?.id ?? after
  }
}
