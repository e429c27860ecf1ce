/**
 * Reads the chunks of a streamed answer. Not with the library's own stream: that takes several promises a chunk, and
 * cancels the body at the end mark, which costs the connection, so that every call would begin with a handshake.
 */

import { createParser } from 'eventsource-parser'
import type OpenAI from 'openai'

type Chunk = OpenAI.Chat.ChatCompletionChunk

/** The provider told of an error in the middle of its answer. */
export class StreamError extends Error {
  override name = 'StreamError'
  readonly body: unknown

  constructor(body: unknown) {
    super('the provider broke the answer off')
    this.body = body
  }
}

export interface StreamReader {
  signal: AbortSignal
  /** Called for every piece, comments included. */
  alive: () => void
  /** False: enough. */
  onChunk: (chunk: Chunk) => boolean
}

/** After the end mark, until the body has ended. */
const DRAIN_MS = 1000

/** Whether the end mark came. Throws `StreamError`, what the connection says, and `SyntaxError` for what is no JSON. */
export const readStream = async (
  response: Response,
  { signal, alive, onChunk }: StreamReader,
): Promise<boolean> => {
  const reader = response.body?.getReader()
  if (!reader) return false
  let marked = false
  let enough = false
  const parser = createParser({
    onEvent({ event, data }) {
      if (marked || enough) return
      marked = data === '[DONE]'
      if (!marked) enough = !onChunk(chunkOf(event, data))
    },
  })
  const stop = () => void reader.cancel().catch(() => {})
  signal.addEventListener('abort', stop, { once: true })
  let ended = false
  try {
    const decoder = new TextDecoder()
    while (!marked && !enough && !ended) {
      const piece = await reader.read()
      alive()
      ended = piece.done
      // Some leave the empty line behind the last event out.
      parser.feed(piece.done ? `${decoder.decode()}\n\n` : decoder.decode(piece.value, { stream: true }))
    }
    return marked
  } finally {
    signal.removeEventListener('abort', stop)
    if (marked && !ended) void drain(reader)
    else if (!ended) stop()
  }
}

const chunkOf = (event: string | undefined, data: string): Chunk => {
  const value = JSON.parse(data)
  if (event === 'error' || value?.error) throw new StreamError(value?.error ?? value)
  return value
}

/** What is left is read, so that the connection can take another call. */
const drain = async (reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> => {
  const timer = setTimeout(() => void reader.cancel().catch(() => {}), DRAIN_MS)
  try {
    while (!(await reader.read()).done);
  } catch {
    // Broken off behind the answer: nothing is lost.
  } finally {
    clearTimeout(timer)
  }
}
