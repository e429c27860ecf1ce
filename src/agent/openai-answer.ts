/** Puts a streamed answer together, from endpoints that keep to the format more or less. */
import type OpenAI from 'openai'
import type { TokenUsage } from '../schemas/event.ts'
import type { ModelAnswer, ModelRequest } from './model.ts'
import { estimateInput, estimateText } from './tokens.ts'

type Chunk = OpenAI.Chat.ChatCompletionChunk
type CallDelta = Partial<OpenAI.Chat.ChatCompletionChunk.Choice.Delta.ToolCall>

interface CallSlot {
  index: number | undefined
  id: string
  name: string
  arguments: string
}

export interface AnswerBuilder {
  /** Text goes to `onDelta` as it comes. Reasoning is not part of the answer. */
  add: (chunk: Chunk) => void
  /** Characters so far, arguments included. */
  size: () => number
  finishReason: () => string | undefined
  /** With the provider's usage, or an estimate where it gave none. */
  build: () => ModelAnswer
}

export const createAnswerBuilder = (request: ModelRequest): AnswerBuilder => {
  const slots: CallSlot[] = []
  let content = ''
  let size = 0
  let model = request.model
  let usage: TokenUsage | undefined
  let finishReason: string | undefined

  const addText = (text: string) => {
    content += text
    size += text.length
    request.onDelta(text)
  }
  return {
    add: (chunk) => {
      if (chunk.model) model = chunk.model
      if (chunk.usage) usage = usageOf(chunk.usage)
      const choice = chunk.choices?.[0]
      if (!choice) return
      if (choice.finish_reason) finishReason = choice.finish_reason
      const delta = choice.delta ?? {}
      if (delta.content) addText(delta.content)
      if (delta.refusal) addText(delta.refusal)
      for (const call of delta.tool_calls ?? []) size += addCall(slots, call)
    },
    size: () => size,
    finishReason: () => finishReason,
    build: () => ({
      content,
      tool_calls: slots
        .filter((slot) => slot.name !== '')
        .map((slot) => ({
          tool_name: slot.name,
          arguments: slot.arguments.trim() === '' ? '{}' : slot.arguments,
        })),
      model,
      ...(usage ? { usage } : { usage: estimated(request, content, slots), usageEstimated: true }),
      cut: finishReason === 'length',
    }),
  }
}

/** Returns how many characters of arguments came. */
const addCall = (slots: CallSlot[], delta: CallDelta): number => {
  let slot = slotOf(slots, delta)
  if (!slot) {
    slot = { index: delta.index, id: delta.id ?? '', name: '', arguments: '' }
    slots.push(slot)
  }
  slot.id ||= delta.id ?? ''
  // Whole, in the first piece; some endpoints repeat it in each.
  slot.name ||= delta.function?.name ?? ''
  const text = argumentsText(delta.function?.arguments)
  slot.arguments += text
  return text.length
}

/**
 * The call a piece belongs to. The index decides where there is one, unless the id says otherwise (endpoints
 * that number every call 0); without index and id a piece goes on with the last call, and a name after complete
 * arguments begins another.
 */
const slotOf = (slots: CallSlot[], { index, id, function: fn }: CallDelta): CallSlot | undefined => {
  if (id) {
    const known = slots.findLast((slot) => slot.id === id)
    if (known) return known
  }
  const candidate =
    index === undefined || index === null ? slots.at(-1) : slots.findLast((slot) => slot.index === index)
  if (!candidate) return undefined
  if (id && candidate.id && candidate.id !== id) return undefined
  if (fn?.name && candidate.name && !id && isJson(candidate.arguments)) return undefined
  return candidate
}

/** A string by the format; some endpoints send the object itself. */
const argumentsText = (value: unknown): string => {
  if (typeof value === 'string') return value
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : ''
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const usageOf = (usage: OpenAI.CompletionUsage): TokenUsage => ({
  input_tokens: whole(usage.prompt_tokens),
  output_tokens: whole(usage.completion_tokens),
  cached_tokens: whole(usage.prompt_tokens_details?.cached_tokens),
})

/** Counters take nothing else, whatever an endpoint sends. */
const whole = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) ? Math.max(0, Math.round(value)) : 0

const estimated = (request: ModelRequest, content: string, slots: readonly CallSlot[]): TokenUsage => ({
  input_tokens: estimateInput(request),
  output_tokens: slots.reduce(
    (sum, slot) => sum + estimateText(slot.name) + estimateText(slot.arguments),
    estimateText(content),
  ),
  cached_tokens: 0,
})
