/** Counts what this worker does, around the ports through which it does it. */
import type { Emitter } from '../src/agent/agent.ts'
import type { Model } from '../src/agent/model.ts'
import { RedisUnavailable } from '../src/errors.ts'
import type { Metrics, WorkerMetrics } from '../src/metrics.ts'
import type { LogEvent } from '../src/schemas/event.ts'
import type { Store } from '../src/tasks/store.ts'

const secondsSince = (began: number) => (performance.now() - began) / 1000

/** The model, with its calls counted: how they ended, how long they took, what they read and wrote. */
export const observeModel =
  (model: Model, metrics: WorkerMetrics, label: Metrics['modelLabel']): Model =>
  async (request) => {
    const name = label(request.model)
    const began = performance.now()
    let silent = true
    const result = await model({
      ...request,
      onDelta(text) {
        if (silent) metrics.modelFirstToken.observe({ model: name }, secondsSince(began))
        silent = false
        request.onDelta(text)
      },
    })
    const outcome = result.ok ? 'answered' : result.failure.kind
    metrics.modelCalls.inc({ model: name, outcome })
    if (!result.ok) return result
    metrics.modelDuration.observe({ model: name }, secondsSince(began))
    const { input_tokens, output_tokens, cached_tokens } = result.answer.usage
    metrics.modelTokens.inc({ model: name, kind: 'input' }, input_tokens)
    metrics.modelTokens.inc({ model: name, kind: 'output' }, output_tokens)
    metrics.modelTokens.inc({ model: name, kind: 'cached' }, cached_tokens)
    return result
  }

interface Labels {
  model: Metrics['modelLabel']
  tool: (name: string) => string
}

/** The emitter of one activation, with tool calls and costs counted as its events tell of them. */
export const observeEmitter = (emitter: Emitter, metrics: WorkerMetrics, labels: Labels): Emitter => {
  /** Of calls under way: the model as it was asked for. */
  const asked = new Map<string, string>()
  const notice = (event: LogEvent) => {
    switch (event.event_type) {
      case 'model_call_start':
        asked.set(event.call, event.model)
        break
      case 'think_complete':
      case 'model_call_end': {
        const model = labels.model(asked.get(event.call ?? '') ?? event.model)
        asked.delete(event.call ?? '')
        metrics.modelCost.inc({ model, kind: 'billed' }, event.cost_usd ?? 0)
        metrics.modelCost.inc({ model, kind: 'estimated' }, event.estimated_cost_usd ?? 0)
        break
      }
      case 'tool_call_complete': {
        const tool = labels.tool(event.tool_name)
        const outcome = event.interrupted ? 'interrupted' : event.error === undefined ? 'ok' : 'error'
        metrics.toolCalls.inc({ tool, outcome })
        metrics.toolDuration.observe({ tool }, event.duration / 1000)
        break
      }
      default:
        break
    }
  }
  return {
    ...emitter,
    emit(...events) {
      events.forEach(notice)
      emitter.emit(...events)
    },
  }
}

/** The store, with appends timed, and writes counted that came from an activation whose task is no longer its own. */
export const observeStore = (store: Store, metrics: WorkerMetrics): Store => {
  const noticing = async <T extends { verdict: string }>(write: string, done: Promise<T>): Promise<T> => {
    const result = await done
    if (result.verdict === 'lost' || result.verdict === 'gone') metrics.refusedWrites.inc({ write })
    return result
  }
  return {
    ...store,
    async append(lease, seq, events, progress) {
      const began = performance.now()
      try {
        const result = await noticing('append', store.append(lease, seq, events, progress))
        const ok = result.verdict === 'ok'
        metrics.logAppends.inc({ outcome: ok ? 'ok' : 'refused' })
        metrics.logAppendDuration.observe(secondsSince(began))
        if (ok) metrics.logEntries.inc(events.length)
        return result
      } catch (error) {
        if (error instanceof RedisUnavailable) metrics.logAppends.inc({ outcome: 'unavailable' })
        throw error
      }
    },
    finish: (...args) => noticing('finish', store.finish(...args)),
    release: (...args) => noticing('release', store.release(...args)),
    delegate: (...args) => noticing('delegate', store.delegate(...args)),
    writeTodos: (...args) => noticing('todos', store.writeTodos(...args)),
  }
}

export const observeState = (
  metrics: WorkerMetrics,
  now: { slots: number; used: number; mcpServers: readonly { connected: boolean }[] },
): void => {
  metrics.slots.set({ state: 'used' }, now.used)
  metrics.slots.set({ state: 'free' }, Math.max(0, now.slots - now.used))
  const connected = now.mcpServers.filter((server) => server.connected).length
  metrics.mcpServers.set({ state: 'connected' }, connected)
  metrics.mcpServers.set({ state: 'not_connected' }, now.mcpServers.length - connected)
}
