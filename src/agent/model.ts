/** Port of a language model. Two makes: any OpenAI-compatible endpoint, and the offline planner. */
import type { TokenUsage, ToolCall } from '../schemas/event.ts'

export type ChatMessage =
  | { role: 'system'; content: string }
  | { role: 'user'; content: string }
  | { role: 'assistant'; content: string; tool_calls?: ToolCall[] }
  | { role: 'tool'; call_id: string; content: string }

export interface ToolSpec {
  name: string
  description: string
  /** JSON Schema. */
  parameters: Record<string, unknown>
}

export interface ModelRequest {
  model: string
  messages: readonly ChatMessage[]
  tools: readonly ToolSpec[]
  /** `none`: the tools are shown but the model must answer in text. */
  toolChoice: 'auto' | 'none'
  /** Of this answer. */
  maxTokens: number
  signal: AbortSignal
  /** Text as it streams. */
  onDelta: (text: string) => void
}

export interface ModelAnswer {
  content: string
  /** In the model's order; call ids are given by the agent loop. */
  tool_calls: Omit<ToolCall, 'call_id'>[]
  /** The model that answered, as the endpoint names it. */
  model: string
  usage: TokenUsage
  /** The endpoint said nothing of it: `usage` is our estimate. */
  usageEstimated?: true
  /** True when the answer was cut at `maxTokens`. */
  cut: boolean
}

export interface ModelFailure {
  /**
   * `overloaded`, `network`, `timeout` are worth a retry; `context_overflow` after compression; `rejected` never.
   * `unsupported`: the endpoint refused a parameter that it will not be sent again; worth a retry at once.
   */
  kind: 'overloaded' | 'network' | 'timeout' | 'context_overflow' | 'unsupported' | 'rejected' | 'aborted'
  /** Stable, e.g. `rate_limited`, `unauthorized`, `bad_request`. */
  code: string
  message: string
  /** The endpoint was not reached, or refused before an answer began: nothing is charged. */
  unbilled?: true
  /** From `Retry-After`. */
  retryAfterMs?: number
}

/** Never throws; an aborted signal gives `{kind: 'aborted'}` and the HTTP stream is closed. */
export type Model = (
  request: ModelRequest,
) => Promise<{ ok: true; answer: ModelAnswer } | { ok: false; failure: ModelFailure }>
