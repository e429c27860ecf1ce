/** Writes an activation's events: in order, grouped while an append is under way, never past a refusal. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Emitter } from '../src/agent/agent.ts'
import { nanoOf } from '../src/agent/prices.ts'
import { LeaseLost, RedisUnavailable } from '../src/errors.ts'
import type { LogEvent, TokenUsage } from '../src/schemas/event.ts'
import { ephemeralMessage } from '../src/tasks/feed.ts'
import type { Refusal } from '../src/tasks/replies.ts'
import type { Lease, Store } from '../src/tasks/store.ts'
import type { Progress, UsageEntry } from '../src/tasks/usage.ts'
import { type LeaseClock, monotonicMs } from './lease.ts'

interface Options {
  store: Store
  lease: Lease
  clock: LeaseClock
  sessionId: string
  /** The task's `seq` when the activation began. */
  seq: number
  /** Of the task's record; written with the first append. */
  recordFields?: Progress['set'] | undefined
  /** An append told that a cancel was asked for. */
  onCancel: () => void
  /** This activation was refused; nothing more is written. */
  onRefused: (refusal: Refusal) => void
}

const RETRY_MS = 250

export const createEmitter = (options: Options) => {
  const { store, lease, clock, sessionId } = options
  const progressOf = createProgress()
  let seq = options.seq
  let recordFields = options.recordFields
  let queued: LogEvent[] = []
  let sending: Promise<void> | null = null
  /** Why nothing more is written: this activation was refused, or a write broke. */
  let failure: { error: unknown } | null = null
  let closed = false

  const send = async () => {
    try {
      while (queued.length > 0 && !failure && !closed) {
        const events = queued
        queued = []
        const sentAt = monotonicMs()
        const progress = progressOf(events)
        Object.assign(progress.set, recordFields)
        const result = await persist(() => store.append(lease, seq, events, progress))
        if (result.verdict === 'ok') {
          seq += events.length
          recordFields = undefined
          clock.renewed(sentAt)
          if (result.cancel) options.onCancel()
        } else {
          failure = { error: new LeaseLost(result.why) }
          options.onRefused(result)
        }
      }
    } catch (error) {
      failure = { error }
    } finally {
      sending = null
    }
  }

  /** Events emitted in the same turn of the event loop travel together, whoever waits for them sends them at once. */
  let soon: NodeJS.Immediate | undefined
  const sendNow = () => {
    clearImmediate(soon)
    soon = undefined
    if (!sending && queued.length > 0 && !failure && !closed) sending = send()
  }

  const settled = async () => {
    while (sending) await sending
    if (failure) throw failure.error
  }

  const emitter: Emitter = {
    emit(...events) {
      queued.push(...events)
      soon ??= setImmediate(sendNow)
    },
    async commit() {
      sendNow()
      await settled()
    },
    ephemeral(event) {
      if (store.redis.status !== 'ready') return
      store.publish(sessionId, ephemeralMessage(lease.task_id, Date.now(), event)).catch(() => {})
    },
  }

  return {
    ...emitter,
    /** The task's `seq` when all emitted so far is durable. Throws as `commit`. */
    async position(): Promise<number> {
      await emitter.commit()
      return seq
    },
    /** Waits for what is being sent, not for what will be. Throws as `commit`. */
    settled,
    /** Stops sending. What was not sent yet goes with the last write: `finish` takes it and the expected seq. */
    async close(): Promise<{ seq: number; rest: LogEvent[]; progress: Progress }> {
      closed = true
      clearImmediate(soon)
      if (sending) await sending
      return { seq, rest: [...queued], progress: progressOf(queued) }
    },
  }
}

/** Repeats while Redis cannot serve: a finished step is held until it is written or refused. */
export const persist = async <T>(write: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await write()
    } catch (error) {
      if (!(error instanceof RedisUnavailable)) throw error
      await pause(RETRY_MS)
    }
  }
}

/** For one activation: what its events, given in order, change in the task's record. */
export const createProgress = () => {
  let begun: number | undefined
  /** Of calls under way: the model as it was asked for. */
  const asked = new Map<string, string>()
  return (events: readonly LogEvent[]): Progress => {
    const set: Progress['set'] = {}
    const add: Progress['add'] = {}
    const usage: UsageEntry[] = []
    const count = (name: string, by: number) => {
      if (by !== 0) add[name] = (add[name] ?? 0) + by
    }
    for (const event of events) {
      switch (event.event_type) {
        case 'iteration_start':
          set['iteration'] = event.iteration
          begun = event.iteration
          break
        case 'model_call_start': {
          // Whoever finds it without an outcome knows what to count.
          const { call, iteration, model, estimated_input_tokens: tokens, estimated_cost_usd: usd } = event
          const nano = usd === undefined ? undefined : nanoOf(usd)
          set[`open:${call}`] = JSON.stringify({ iteration, model, tokens, nano })
          asked.set(call, model)
          break
        }
        case 'think_complete': {
          const { call } = event
          const model = (call === undefined ? undefined : asked.get(call)) ?? event.model
          usage.push({ model, ...(call === undefined ? {} : { call }), add: answered(event.usage, event) })
          break
        }
        case 'model_call_end': {
          const { call, model, usage: used, estimated_usage: estimate } = event
          const counted = used ? answered(used, event) : estimate ? unanswered(estimate, event) : {}
          usage.push({ model, call, add: counted })
          break
        }
        case 'tool_call_complete':
          count('tool_calls', 1)
          break
        case 'iteration_complete':
          // Shows that the task does not kill its workers, unless a lost one had begun it: then what may have
          // killed it was not run again.
          if (event.iteration === begun) set['losses'] = 0
          break
        default:
          break
      }
    }
    return { set, add, usage }
  }
}

interface Cost {
  cost_usd?: number | undefined
  estimated_cost_usd?: number | undefined
}

const answered = ({ input_tokens, output_tokens, cached_tokens }: TokenUsage, cost: Cost) => ({
  model_calls: 1,
  input_tokens,
  output_tokens,
  ...(cached_tokens > 0 && { cached_tokens }),
  ...costOf(cost),
})

const unanswered = ({ input_tokens, output_tokens }: TokenUsage, cost: Cost) => ({
  estimated_calls: 1,
  estimated_tokens: input_tokens + output_tokens,
  ...costOf(cost),
})

const costOf = ({ cost_usd, estimated_cost_usd }: Cost) => {
  if (cost_usd !== undefined) return { cost_nano: nanoOf(cost_usd) }
  return estimated_cost_usd === undefined
    ? { unpriced_calls: 1 }
    : { estimated_nano: nanoOf(estimated_cost_usd) }
}
