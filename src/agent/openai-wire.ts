/** The HTTP side of one streamed call: what the client library does not tell of it, and when it is given up. */
import type { HttpFailure } from './openai-failure.ts'

const MAX_ERROR_BODY_CHARS = 100_000

export interface Wire extends Disposable {
  /** To be given with the request, so that `fetchThroughWire` finds this wire. */
  fetchOptions: object
  /** Aborts with the caller's signal, and when nothing came for the idle time. */
  signal: AbortSignal
  idled: () => boolean
  /** The error answer, once there was one. */
  refused: () => HttpFailure | undefined
  /** A page where an event stream should be: the base URL is wrong. */
  html: () => boolean
  /** The stream's own end mark came, so that its end is no breaking off. */
  done: () => boolean
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
  let done = false
  let tail = ''

  const notice = (bytes: Uint8Array) => {
    alive()
    // The mark is ASCII, of which no other character has a byte.
    const text = tail + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
    // Inside JSON a line break is escaped: a line that begins like this is the mark, not part of an answer.
    done ||= /(?:^|[\r\n])data: ?\[DONE\]/.test(text)
    tail = text.slice(-16)
  }
  const watchedFetch: typeof fetch = async (input, init) => {
    const response = await fetch(input, init)
    alive()
    const { status, statusText, headers, body } = response
    if (!response.ok) {
      refused = { status, headers, body: await textOf(body, alive) }
      return new Response(refused.body, { status, statusText, headers })
    }
    html = headers.get('content-type')?.includes('html') ?? false
    // In its place and not piped through a stream of our own, which costs more than all the rest of a short answer.
    if (!body) return response
    const getReader = () => noticed(body, notice, () => done)
    Object.defineProperty(response, 'body', { value: { getReader } })
    return response
  }

  return {
    signal: AbortSignal.any([signal, idle.signal]),
    fetchOptions: { [WIRE]: watchedFetch },
    idled: () => idle.signal.aborted,
    refused: () => refused,
    html: () => html,
    done: () => done,
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}

/** After the end mark, until the body has ended. */
const DRAIN_MS = 1000

/**
 * A reader of the body that tells of each piece. The library cancels at the end mark, before the body's own end, which
 * would cost the connection: every call would begin with a handshake. What is left is read instead.
 */
const noticed = (
  body: ReadableStream<Uint8Array>,
  notice: (bytes: Uint8Array) => void,
  isDone: () => boolean,
) => {
  const reader = body.getReader()
  const drain = async () => {
    const timer = setTimeout(() => void reader.cancel().catch(() => {}), DRAIN_MS)
    try {
      while (!(await reader.read()).done);
    } catch {
      // Broken off behind the answer: nothing is lost.
    } finally {
      clearTimeout(timer)
    }
  }
  return {
    async read() {
      const piece = await reader.read()
      if (!piece.done) notice(piece.value)
      return piece
    },
    async cancel(reason?: unknown) {
      if (isDone()) void drain()
      else await reader.cancel(reason)
    },
    /** Nobody else gets one. */
    releaseLock: () => {},
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
