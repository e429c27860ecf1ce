/**
 * How many tokens a request will be, without a tokenizer: a count of words, digits and signs that rather says too
 * many, and a ratio per model that the provider's own counts correct.
 */
import type { ChatMessage, ToolSpec } from './model.ts'

/** What a message costs beyond its text, and what a call or its result adds with its id. */
const MESSAGE_TOKENS = 5
const CALL_TOKENS = 9

const LONG_CHARS = 200
const MOST_KNOWN = 20_000

/** A provider that counts what it cached or cut off as nothing must not make a request look small. */
const LOWEST_RATIO = 0.7
const HIGHEST_RATIO = 4
/** Weight of the newest count. */
const SMOOTHING = 0.3

export interface Estimator {
  messages: (messages: readonly ChatMessage[]) => number
  tools: (tools: readonly ToolSpec[]) => number
}

/** Tools stay the same from call to call, and a preset's schemas are longer than most conversations. */
const knownTools = new WeakMap<ToolSpec, number>()
const ofTool = (tool: ToolSpec): number => {
  const tokens = knownTools.get(tool) ?? CALL_TOKENS + estimateText(JSON.stringify(tool))
  knownTools.set(tool, tokens)
  return tokens
}

/** System prompts are the same for most tasks of a preset. */
const knownPrompts = new Map<string, number>()
const MOST_PROMPTS = 50
const ofPrompt = (text: string): number => {
  const tokens = knownPrompts.get(text) ?? estimateText(text)
  if (knownPrompts.size >= MOST_PROMPTS) knownPrompts.clear()
  knownPrompts.set(text, tokens)
  return tokens
}

/** Remembers long texts, so that the same conversation can be measured again and again. */
export const createEstimator = (): Estimator => {
  const known = new Map<string, number>()

  const ofText = (text: string): number => {
    if (text.length < LONG_CHARS) return estimateText(text)
    const tokens = known.get(text) ?? estimateText(text)
    if (known.size >= MOST_KNOWN) known.clear()
    known.set(text, tokens)
    return tokens
  }
  const ofMessage = (message: ChatMessage): number => {
    if (message.role === 'system') return MESSAGE_TOKENS + ofPrompt(message.content)
    const own = MESSAGE_TOKENS + ofText(message.content)
    if (message.role === 'tool') return own + CALL_TOKENS
    if (message.role !== 'assistant') return own
    return (message.tool_calls ?? []).reduce(
      (sum, call) => sum + CALL_TOKENS + ofText(call.tool_name) + ofText(call.arguments),
      own,
    )
  }
  return {
    messages: (messages) => messages.reduce((sum, message) => sum + ofMessage(message), 0),
    tools: (tools) => tools.reduce((sum, tool) => sum + ofTool(tool), 0),
  }
}

type Kind = 'lower' | 'upper' | 'digit' | 'space' | 'line' | 'sign' | 'other'

/** Tokens of one more character, in a run of its kind that began `at` characters before. */
const COST: Record<Kind, (at: number, code: number, previous: number) => number> = {
  lower: (at) => (at === 0 ? 1 : at >= 7 ? 0.5 : 0),
  upper: (at) => (at % 2 === 0 ? 1 : 0),
  // A space before a number is a token of its own.
  digit: (at, _, previous) => (at === 0 ? (previous === 32 ? 2 : 1) : at % 2 === 0 ? 0.8 : 0),
  space: (at) => (at === 1 || at % 32 === 31 ? 1 : 0),
  line: (at) => (at === 0 ? 1 : 0.1),
  sign: (at, code, previous) => (code === previous ? 0.25 : at === 0 ? 1 : 0.8),
  // Accented letters break words; then Greek and Cyrillic, Arabic and Indic, half an emoji, and what is left.
  other: (_, code) => (code < 0x250 ? 1 : code < 0x590 ? 0.7 : code >= 0xd800 && code < 0xe000 ? 1.5 : 1.3),
}

/** Walks the text once; some 40 MB a second. */
export const estimateText = (text: string): number => {
  let tokens = 0
  let kind: Kind | undefined
  let at = 0
  let previous = 0
  // Letters right after a digit are no word: keys, hashes, encoded bytes.
  let jumbled = false
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    const next = kindOf(code)
    // A capital begins its word: `Context`, `openFile`.
    const goesOn = next === kind || (next === 'lower' && kind === 'upper' && at === 0)
    if (!goesOn) jumbled = kind === 'digit' && next === 'lower'
    at = goesOn ? at + 1 : 0
    tokens += COST[jumbled ? 'upper' : next](at, code, previous)
    kind = next
    previous = code
  }
  return Math.ceil(tokens)
}

const kindOf = (code: number): Kind => {
  if (code >= 97 && code <= 122) return 'lower'
  if (code === 32) return 'space'
  if (code >= 48 && code <= 57) return 'digit'
  if (code >= 65 && code <= 90) return 'upper'
  if (code === 10 || code === 13) return 'line'
  return code < 128 ? 'sign' : 'other'
}

/** A whole request: its messages and the tools it offers. */
export const estimateInput = (
  request: { messages: readonly ChatMessage[]; tools: readonly ToolSpec[] },
  estimator = createEstimator(),
): number => estimator.messages(request.messages) + estimator.tools(request.tools)

/** Between a provider's count and our estimate of the same request. */
export const ratioOf = (reported: number, estimated: number): number =>
  Math.min(HIGHEST_RATIO, Math.max(LOWEST_RATIO, estimated > 0 ? reported / estimated : 1))

export interface Calibration {
  /** 1 for a model that has not answered yet. */
  ratio: (model: string) => number
  observe: (model: string, reported: number, estimated: number) => void
}

/** Kept as long as the process. */
export const createCalibration = (): Calibration => {
  const ratios = new Map<string, number>()
  return {
    ratio: (model) => ratios.get(model) ?? 1,
    observe(model, reported, estimated) {
      if (reported <= 0) return
      const ratio = ratioOf(reported, estimated)
      const known = ratios.get(model)
      ratios.set(model, known === undefined ? ratio : known + SMOOTHING * (ratio - known))
    },
  }
}
