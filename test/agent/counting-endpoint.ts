import type { ServerResponse } from 'node:http'
import { encode } from 'gpt-tokenizer/encoding/cl100k_base'
import { z } from 'zod'
import { delta, rawEndpoint, refuse, sse } from './endpoint.ts'

const Call = z.object({ id: z.string(), function: z.object({ name: z.string(), arguments: z.string() }) })
const Message = z.object({
  role: z.string(),
  content: z.string().nullish(),
  tool_call_id: z.string().optional(),
  tool_calls: z.array(Call).optional(),
})
export const Counted = z.looseObject({
  messages: z.array(Message),
  tools: z.array(z.unknown()).optional(),
  max_tokens: z.number(),
})
export type Counted = z.infer<typeof Counted>

/** As OpenAI counts: three tokens a message, its texts, and the tools. */
const tokensOf = ({ messages, tools }: Counted): number => {
  const texts = messages.flatMap((message) => [
    message.role,
    message.content ?? '',
    ...(message.tool_calls ?? []).flatMap((call) => [call.id, call.function.name, call.function.arguments]),
  ])
  const all = tools ? [...texts, JSON.stringify(tools)] : texts
  return all.reduce((sum, text) => sum + encode(text).length, 3 + 3 * messages.length)
}

export interface CountingOptions {
  window: number
  /** Answer `turn` of the main conversation (1, 2, 3 …); a request sent again gets the same one. */
  answer: (turn: number) => { content: string; call?: { name: string; arguments: string } }
  summary?: string
  /** Looks at requests before they are answered; the answer waits for it. */
  onTurn?: (turn: number, body: Counted) => Promise<void> | void
}

/** A model with a tokenizer: refuses what passes its window, as OpenAI does, and counts what it takes. */
export const countingEndpoint = async (options: CountingOptions) => {
  const { window, answer, summary = 'the older part, summed up', onTurn } = options
  const turns = new Map<string, number>()
  const asked: { kind: 'turn' | 'summary'; turn: number; tokens: number; body: Counted }[] = []
  let refused = 0

  const reply = async (raw: unknown, response: ServerResponse) => {
    const body = Counted.parse(raw)
    const tokens = tokensOf(body)
    if (tokens + body.max_tokens > window) {
      refused += 1
      const message = `maximum context length is ${window} tokens, you requested ${tokens + body.max_tokens}`
      return refuse(response, 400, { error: { code: 'context_length_exceeded', message } })
    }
    const kind = body.tools ? 'turn' : 'summary'
    const key = JSON.stringify(body.messages)
    const turn = kind === 'summary' ? 0 : (turns.get(key) ?? turns.size + 1)
    if (kind === 'turn') turns.set(key, turn)
    asked.push({ kind, turn, tokens, body })
    if (kind === 'turn') await onTurn?.(turn, body)
    const { content, call } = kind === 'summary' ? { content: summary } : answer(turn)
    const calls = call && { tool_calls: [{ index: 0, id: 'x', type: 'function', function: call }] }
    const usage = { prompt_tokens: tokens, completion_tokens: 20, total_tokens: tokens + 20 }
    sse(
      response,
      delta({ content, ...calls }, calls ? 'tool_calls' : 'stop'),
      { choices: [], usage },
      '[DONE]',
    )
    response.end()
  }
  const endpoint = await rawEndpoint((body, response) => void reply(body, response))
  return { ...endpoint, asked, refused: () => refused }
}

/** Ids of calls that are not followed at once by their results, and of results without a call. */
export const brokenPairs = ({ messages }: Counted): string[] => {
  const broken: string[] = []
  let open: string[] = []
  for (const message of messages) {
    if (message.role === 'tool') {
      if (open.shift() !== message.tool_call_id) broken.push(message.tool_call_id ?? '')
      continue
    }
    broken.push(...open)
    open = message.tool_calls?.map((call) => call.id) ?? []
  }
  return [...broken, ...open]
}
