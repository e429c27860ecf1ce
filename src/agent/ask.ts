/** A question to the task's model outside the conversation: what a tool asks to understand a text. */
import type { ChatMessage } from './model.ts'
import { asItIs, callModel, type RetryDeps } from './model-retry.ts'

/**
 * One answer in text; no tools are offered. `text` may be hostile, `system` must be our own. Never throws:
 * `message` says why there is no answer. An abort is `ok: false` too.
 */
export type Ask = (request: {
  system: string
  text: string
  maxTokens: number
  signal: AbortSignal
}) => Promise<{ ok: true; text: string } | { ok: false; message: string }>

export type AskDeps = Omit<RetryDeps, 'prepare' | 'onTry' | 'shouldPause' | 'thinks'>

export const createAsk =
  ({ emit, ...deps }: AskDeps): Ask =>
  async ({ system, text, maxTokens, signal }) => {
    const messages: ChatMessage[] = [
      { role: 'system', content: system },
      { role: 'user', content: text },
    ]
    const outcome = await callModel(
      { tools: [], toolChoice: 'none', signal, onDelta: () => {} },
      {
        ...deps,
        prepare: asItIs(messages, maxTokens),
        thinks: false,
        // A failure for good is the tool's result, not the task's error.
        emit: (event) => {
          if (event.event_type === 'error' && event.recoverable) emit(event)
        },
        onTry: () => {},
        // A call that is stopped midway counts as not made, so a leaving worker waits up to its grace.
        shouldPause: () => false,
      },
    )
    if (outcome.kind === 'stopped') return { ok: false, message: 'the call was stopped' }
    if (outcome.kind === 'failed') return { ok: false, message: outcome.failure.message }
    if (outcome.kind === 'over_budget') return { ok: false, message: outcome.error.message }
    const { content } = outcome.answer
    return content.trim() === ''
      ? { ok: false, message: 'the model gave an empty answer' }
      : { ok: true, text: content }
  }
