/** The HTTP side of one streamed call: what the client library does not tell of it, and when it is given up. */
import type { HttpFailure } from './openai-failure.ts'

const MAX_ERROR_BODY_CHARS = 100_000

export interface Wire extends Disposable {
  /** To be given with the request, so that `fetchThroughWire` finds this wire. */
  fetchOptions: object
  /** Aborts with the caller's signal, and when nothing came for the idle time. */
  signal: AbortSignal
  /** To be told of every piece of the body. */
  alive: () => void
  idled: () => boolean
  /** The error answer, once there was one. */
  refused: () => HttpFailure | undefined
  /** A page where an event stream should be: the base URL is wrong. */
  html: () => boolean
}

const WIRE = Symbol('wire')

/** For a client that lasts longer than a call: each call goes through the wire that was given with it. */
export const fetchThroughWire: typeof fetch = (input, init) => {
  const { [WIRE]: watched = fetch, ...rest }: RequestInit & { [WIRE]?: typeof fetch } = init ?? {}
  return watched(input, rest)
}

/** Any byte counts as life: providers send comments while a model reasons. */
export const createWire = (signal: AbortSignal, idleTimeoutMs: number): Wire => {
  const idle = new AbortController()
  const timer = setTimeout(() => idle.abort(), idleTimeoutMs)
  const alive = () => void timer.refresh()
  let refused: HttpFailure | undefined
  let html = false

  const watchedFetch: typeof fetch = async (input, init) => {
    const response = await fetch(input, init)
    alive()
    const { status, statusText, headers, body } = response
    if (!response.ok) {
      refused = { status, headers, body: await textOf(body, alive) }
      return new Response(refused.body, { status, statusText, headers })
    }
    html = headers.get('content-type')?.includes('html') ?? false
    return response
  }

  return {
    signal: AbortSignal.any([signal, idle.signal]),
    fetchOptions: { [WIRE]: watchedFetch },
    alive,
    idled: () => idle.signal.aborted,
    refused: () => refused,
    html: () => html,
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}

const textOf = async (body: ReadableStream<Uint8Array> | null, alive: () => void): Promise<string> => {
  if (!body) return ''
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of body) {
    alive()
    text += decoder.decode(bytes, { stream: true })
    if (text.length > MAX_ERROR_BODY_CHARS) break
  }
  return text.slice(0, MAX_ERROR_BODY_CHARS)
}
