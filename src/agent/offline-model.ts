/**
 * Answers without a language model, so that ALEX works before anybody has configured one: a deterministic plan
 * that looks around with the real tools, says what it found, and says that it understood nothing.
 *
 * Two kinds of lines in a task are orders, carried out one an iteration, in place of looking around:
 * `bash: <command>` and `write <path>: <content>`.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Model, ModelFailure, ModelRequest } from './model.ts'
import { currentTask } from './offline-facts.ts'
import { planNext } from './offline-plan.ts'
import { offlineReport } from './offline-report.ts'

export interface OfflineOptions {
  /** Milliseconds between two pieces of text; 0: all at once. */
  paceMs?: number
}

/** Without tools to look around with there is nothing a plan could do: somebody asks for understanding. */
const NO_UNDERSTANDING: ModelFailure = {
  kind: 'rejected',
  code: 'no_language_model',
  message: 'there is no language model: set OPENAI_API_KEY or OPENAI_BASE_URL for one',
}

/** Pieces an answer is streamed in, at most; at the default pace an answer takes half a second. */
const MAX_PIECES = 40
const MIN_PIECE_CHARS = 12

/** Keeps nothing between calls: all it knows is the request's messages. */
export const createOfflineModel =
  ({ paceMs = 12 }: OfflineOptions = {}): Model =>
  async (request) => {
    if (request.tools.length === 0) return { ok: false, failure: NO_UNDERSTANDING }
    const { task, rounds } = currentTask(request.messages)
    const offered = new Set(request.tools.map((tool) => tool.name))
    const plan = planNext(task, rounds, offered)
    const calls = request.toolChoice === 'none' ? [] : plan.calls
    const content = calls.length > 0 ? plan.saying : offlineReport(task, plan, offered)
    if (!(await streamed(content, request, paceMs)))
      return { ok: false, failure: { kind: 'aborted', code: 'aborted', message: 'the call was aborted' } }
    const output = content.length + calls.reduce((sum, call) => sum + call.arguments.length, 0)
    return {
      ok: true,
      answer: {
        content,
        tool_calls: calls,
        model: 'offline',
        usage: {
          input_tokens: Math.ceil(JSON.stringify(request.messages).length / 4),
          output_tokens: Math.ceil(output / 4),
          cached_tokens: 0,
        },
        cut: false,
      },
    }
  }

/** False when the signal aborted first. */
const streamed = async (
  text: string,
  { signal, onDelta }: ModelRequest,
  paceMs: number,
): Promise<boolean> => {
  const size = Math.max(MIN_PIECE_CHARS, Math.ceil(text.length / MAX_PIECES))
  for (let at = 0; at < text.length && !signal.aborted; at += size) {
    onDelta(text.slice(at, at + size))
    if (paceMs > 0) await delay(paceMs, undefined, { signal }).catch(() => undefined)
  }
  return !signal.aborted
}
