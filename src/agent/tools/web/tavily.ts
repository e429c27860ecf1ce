/**
 * Tavily's search over HTTP. Not through its official client, `@tavily/core`: that takes no AbortSignal, drops
 * the status of a refusal (so nothing but words in its message would tell a bad key from a rate limit), and
 * brings a tokenizer of 22 MB.
 */
import { z } from 'zod'
import { messageOf } from '../../../errors.ts'

export interface TavilyOptions {
  apiKey: string
  /** Without `/search`. */
  baseUrl: string
}

export interface SearchRequest {
  query: string
  maxResults: number
  depth: 'basic' | 'advanced'
  signal: AbortSignal
}

const SearchAnswer = z.object({
  answer: z.string().nullish(),
  results: z.array(
    z.object({
      title: z.string().nullish(),
      url: z.string(),
      content: z.string().nullish(),
      published_date: z.string().nullish(),
    }),
  ),
})
export type SearchAnswer = z.infer<typeof SearchAnswer>

export type SearchFailure =
  | 'key refused'
  | 'plan used up'
  | 'rate limited'
  | 'bad request'
  | 'server error'
  | 'unreachable'
  | 'not an answer'

export type SearchOutcome =
  | { ok: true; answer: SearchAnswer }
  /** `message` is meant for the model. */
  | { ok: false; kind: SearchFailure; message: string }

const MAX_ANSWER_CHARS = 4_000_000
const MAX_MESSAGE_CHARS = 500

/** Rejects only when `signal` aborted. The key is never in a message. */
export const searchTavily = async (
  { query, maxResults, depth, signal }: SearchRequest,
  { apiKey, baseUrl }: TavilyOptions,
): Promise<SearchOutcome> => {
  const failed = (kind: SearchFailure, message: string): SearchOutcome => ({
    ok: false,
    kind,
    message: message.replaceAll(apiKey, '[key]').slice(0, MAX_MESSAGE_CHARS),
  })
  try {
    const response = await fetch(`${baseUrl.replace(/\/+$/, '')}/search`, {
      method: 'POST',
      // A redirect would carry the key to somebody else.
      redirect: 'error',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query, max_results: maxResults, search_depth: depth }),
      signal,
    })
    const text = await boundedText(response)
    if (text === null) return failed('not an answer', 'Tavily sent more than any answer has')
    if (!response.ok) return failed(kindOf(response.status), refusal(response, text))
    const parsed = SearchAnswer.safeParse(parsedJson(text))
    return parsed.success
      ? { ok: true, answer: parsed.data }
      : failed('not an answer', 'what came back is not an answer of Tavily: check tavily_base_url')
  } catch (error) {
    signal.throwIfAborted()
    return failed('unreachable', `Tavily cannot be reached: ${rootMessage(error)}`)
  }
}

/** 432 and 433 are Tavily's own: the plan's limit, the pay-as-you-go limit. */
const kindOf = (status: number): SearchFailure => {
  if (status === 401 || status === 403) return 'key refused'
  if (status === 402 || status === 432 || status === 433) return 'plan used up'
  if (status === 429) return 'rate limited'
  return status >= 500 ? 'server error' : 'bad request'
}

const Refusal = z.union([
  z.object({ detail: z.object({ error: z.string() }) }).transform(({ detail }) => detail.error),
  z.object({ detail: z.string() }).transform(({ detail }) => detail),
  z.object({ error: z.object({ message: z.string() }) }).transform(({ error }) => error.message),
])

const refusal = (response: Response, text: string): string => {
  const said = Refusal.safeParse(parsedJson(text)).data
  const wait = response.headers.get('retry-after')
  const later = wait !== null && /^\d{1,6}$/.test(wait) ? ` Try again in ${wait} s.` : ''
  return `Tavily answered ${response.status}${said === undefined ? '' : `: ${said}`}.${later}`
}

const boundedText = async (response: Response): Promise<string | null> => {
  let text = ''
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part
    if (text.length > MAX_ANSWER_CHARS) return null
  }
  return text
}

const parsedJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** `fetch failed` says nothing, its cause does. */
const rootMessage = (error: unknown): string => {
  let root = error
  while (root instanceof Error && root.cause instanceof Error) root = root.cause
  const code = root instanceof Error && 'code' in root ? String(root.code) : ''
  return messageOf(root) || code || 'the connection failed'
}
