/**
 * One answer out of models that may be slow, overloaded or gone. What to do is decided by the failure's class:
 * overloaded, network and time-out are tried again with growing waits, then with the next model; a context that
 * does not fit is compressed once, then goes to the next model; a request with a parameter that the endpoint does not
 * take is made again without it; a rejected request fails at once.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../log.ts'
import type { LogEvent, TaskError } from '../schemas/event.ts'
import type { RetryPolicy, Throttle } from './agent.ts'
import type { ChatMessage, ModelFailure, ModelRequest } from './model.ts'
import type { Meter, Metered } from './model-meter.ts'

const DEFAULT_RETRY: RetryPolicy = {
  tries: { overloaded: 6, network: 6, timeout: 3 },
  triesBeforeFallback: 2,
  baseMs: 500,
  maxMs: 60_000,
}

/** A throttle's wait at least this long is told to watchers. */
const TELL_WAIT_MS = 1_000

/** What a model is asked. `full`: nothing more can be left out. `stopped`: as of a call. */
export type Prepared =
  | ({ kind: 'ready' } & Pick<ModelRequest, 'messages' | 'maxTokens'>)
  | { kind: 'full' }
  | { kind: 'stopped' }

/** For a request that is no conversation: it is sent as it is or not at all. */
export const asItIs =
  (messages: readonly ChatMessage[], maxTokens: number): RetryDeps['prepare'] =>
  async (_, overflowed) =>
    overflowed ? { kind: 'full' } : { kind: 'ready', messages, maxTokens }

export interface RetryDeps {
  meter: Meter
  /** The caller logs the answer (see `Meter`). */
  thinks: boolean
  /** Asked before the first call of each model, and once with `overflowed` when it refused the length. */
  prepare: (model: string, overflowed: boolean) => Promise<Prepared>
  /** Tried in order. */
  models: readonly [string, ...string[]]
  throttle: Throttle
  policy?: Partial<RetryPolicy>
  emit: (event: LogEvent) => void
  /** A new try begins: text that streamed before is void. */
  onTry: () => void
  shouldPause: () => boolean
  log: Log
}

export type RetryOutcome =
  | (Extract<Metered, { kind: 'answer' }> & { durationMs: number })
  | { kind: 'failed'; failure: ModelFailure }
  | { kind: 'over_budget'; error: TaskError }
  /** The signal aborted, or a pause was asked for when it came to waiting. */
  | { kind: 'stopped' }

export const callModel = async (
  request: Omit<ModelRequest, 'model' | 'messages' | 'maxTokens'>,
  deps: RetryDeps,
): Promise<RetryOutcome> => {
  const { signal } = request
  const policy = { ...DEFAULT_RETRY, ...deps.policy }
  let compressed = false
  let position = 0
  let tries = noTries()
  let prepared = await deps.prepare(deps.models[0], false)

  for (;;) {
    const model = deps.models[position] ?? deps.models[0]
    const fallback = deps.models[position + 1]
    if (prepared.kind !== 'ready' || !(await throttled(model, signal, deps))) return { kind: 'stopped' }
    const { messages, maxTokens } = prepared
    deps.onTry()
    const began = performance.now()
    const result = await deps.meter.ask({ ...request, model, messages, maxTokens }, { thinks: deps.thinks })
    if (result.kind === 'answer') return { ...result, durationMs: Math.round(performance.now() - began) }
    if (signal.aborted) return { kind: 'stopped' }
    if (result.kind === 'over_budget') return result

    const { failure } = result
    tries[failure.kind] += 1
    // Each time one parameter fewer, so this ends.
    if (failure.kind === 'unsupported') continue
    const overflowed = failure.kind === 'context_overflow' && !compressed
    const shorter: Prepared = overflowed ? await deps.prepare(model, true) : { kind: 'full' }
    if (shorter.kind === 'stopped') return shorter
    const waitMs = shorter.kind === 'ready' ? 0 : waitBefore(failure, tries, fallback !== undefined, policy)
    if (failure.kind === 'overloaded')
      deps.throttle.report(model, waitMs ?? failure.retryAfterMs ?? policy.baseMs)
    if (waitMs !== null) {
      if (shorter.kind === 'ready') {
        prepared = shorter
        compressed = true
      }
      tell(failure, waitMs, model, deps)
      if (deps.shouldPause() || !(await waited(waitMs, signal))) return { kind: 'stopped' }
    } else if (fallback !== undefined && failure.kind !== 'rejected' && failure.kind !== 'aborted') {
      position += 1
      tries = noTries()
      tell({ ...failure, message: `${failure.message} (falling back to ${fallback})` }, 0, model, deps)
      prepared = await deps.prepare(fallback, false)
    } else {
      const { code, message } = failure
      deps.log.warn({ model, code }, `[ServerCoordinator] model call failed for good: ${message}`)
      deps.emit({ event_type: 'error', phase: 'model', code, message, recoverable: false })
      return { kind: 'failed', failure }
    }
  }
}

/** Failed calls of one model. */
type Tries = Record<ModelFailure['kind'], number>
const noTries = (): Tries => ({
  overloaded: 0,
  network: 0,
  timeout: 0,
  context_overflow: 0,
  unsupported: 0,
  rejected: 0,
  aborted: 0,
})

/** Milliseconds until the same model is asked again; null when it should not be. */
const waitBefore = (
  failure: ModelFailure,
  tries: Tries,
  hasFallback: boolean,
  policy: RetryPolicy,
): number | null => {
  if (failure.kind !== 'overloaded' && failure.kind !== 'network' && failure.kind !== 'timeout') return null
  const allowed =
    failure.kind === 'overloaded' && hasFallback ? policy.triesBeforeFallback : policy.tries[failure.kind]
  if (tries[failure.kind] >= allowed) return null
  const waits = tries.overloaded + tries.network + tries.timeout - 1
  const backoff = policy.baseMs * 3 ** waits * (0.75 + Math.random() / 2)
  return Math.round(Math.min(policy.maxMs, Math.max(backoff, failure.retryAfterMs ?? 0)))
}

const tell = (failure: ModelFailure, retry_in_ms: number, model: string, deps: RetryDeps) => {
  const { code, message } = failure
  deps.log.info(
    { model, code, retry_in_ms },
    `[ServerCoordinator] model call will be tried again: ${message}`,
  )
  deps.emit({ event_type: 'error', phase: 'model', code, message, recoverable: true, retry_in_ms })
}

/** False when the wait was given up. Asks again afterwards: somebody may have reported meanwhile. */
const throttled = async (model: string, signal: AbortSignal, deps: RetryDeps): Promise<boolean> => {
  for (;;) {
    if (signal.aborted) return false
    const waitMs = deps.throttle.waitMs(model)
    if (waitMs <= 0) return true
    if (deps.shouldPause()) return false
    const message = `calls of ${model} are held back: the provider asked for it`
    if (waitMs >= TELL_WAIT_MS) tell({ kind: 'overloaded', code: 'throttled', message }, waitMs, model, deps)
    if (!(await waited(waitMs, signal))) return false
  }
}

const waited = async (ms: number, signal: AbortSignal): Promise<boolean> => {
  if (ms > 0) await delay(ms, undefined, { signal }).catch(() => undefined)
  return !signal.aborted
}
