/** The HTTP side of one streamed call: what the client library does not tell of it, and when it is given up. */
import type { HttpFailure } from './openai-failure.ts'

const MAX_ERROR_BODY_CHARS = 100_000

export interface Wire extends Disposable {
  fetch: typeof fetch
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

/** Any byte counts as life: providers send comments while a model reasons. */
export const createWire = (signal: AbortSignal, idleTimeoutMs: number): Wire => {
  const idle = new AbortController()
  let timer = setTimeout(() => idle.abort(), idleTimeoutMs)
  const alive = () => {
    clearTimeout(timer)
    timer = setTimeout(() => idle.abort(), idleTimeoutMs)
  }
  let refused: HttpFailure | undefined
  let html = false
  let done = false

  const watch = () => {
    const decoder = new TextDecoder()
    let tail = ''
    return new TransformStream<Uint8Array, Uint8Array>({
      transform: (bytes, controller) => {
        alive()
        const text = tail + decoder.decode(bytes, { stream: true })
        // Inside JSON a line break is escaped: a line that begins like this is the mark, not part of an answer.
        done ||= /(?:^|[\r\n])data: ?\[DONE\]/.test(text)
        tail = text.slice(-16)
        controller.enqueue(bytes)
      },
    })
  }
  return {
    signal: AbortSignal.any([signal, idle.signal]),
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      alive()
      const { status, statusText, headers } = response
      const body = response.body?.pipeThrough(watch()) ?? null
      if (!response.ok) {
        refused = { status, headers, body: await textOf(body) }
        return new Response(refused.body, { status, statusText, headers })
      }
      html = headers.get('content-type')?.includes('html') ?? false
      return new Response(body, { status, statusText, headers })
    },
    idled: () => idle.signal.aborted,
    refused: () => refused,
    html: () => html,
    done: () => done,
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}

const textOf = async (body: ReadableStream<Uint8Array> | null): Promise<string> => {
  if (!body) return ''
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of body) {
    text += decoder.decode(bytes, { stream: true })
    if (text.length > MAX_ERROR_BODY_CHARS) break
  }
  return text.slice(0, MAX_ERROR_BODY_CHARS)
}
