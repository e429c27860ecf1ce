/**
 * An OpenAI-compatible model server in a process of its own. Prints its URL. It answers at once, but for these models:
 * - `slow-<ms>` answers after so many milliseconds.
 * - `paced-<rate>x<s>` thinks for 3 s, then says so many tokens a second for so many seconds, each by itself as
 *   providers send them.
 * - `endless` streams until the connection is closed, and says so: lines of JSON, with times as `epochMs`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { epochMs } from './numbers.ts'

const Asked = z.looseObject({ messages: z.array(z.looseObject({ content: z.string() })) })

const chunk = (model: string, delta: object, finish: string | null, usage?: object) =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: 0,
    model,
    choices: [{ index: 0, delta, finish_reason: finish }],
    ...(usage && { usage }),
  })}\n\n`

/** Twenty words a second. */
const WORD_MS = 50

const streamEndlessly = (model: string, of: string, response: ServerResponse) => {
  const tell = (what: 'opened' | 'closed') =>
    process.stdout.write(`${JSON.stringify({ what, of, at: epochMs() })}\n`)
  const timer = setInterval(() => response.write(chunk(model, { content: 'word ' }, null)), WORD_MS)
  response.write(chunk(model, { role: 'assistant', content: 'word ' }, null), () => tell('opened'))
  response.on('close', () => {
    clearInterval(timer)
    tell('closed')
  })
}

const THINKS_MS = 3000

const sayPaced = (response: ServerResponse, model: string, rate: number, tokens: number) => {
  let said = 0
  const began = performance.now() + THINKS_MS
  const say = () => {
    const due = Math.min(tokens, Math.floor(((performance.now() - began) * rate) / 1000))
    for (; said < due; said += 1) response.write(chunk(model, { content: `word${said} ` }, null))
    if (said < tokens) return
    clearInterval(timer)
    const usage = { prompt_tokens: 100, completion_tokens: tokens, total_tokens: 100 + tokens }
    response.end(`${chunk(model, {}, 'stop', usage)}data: [DONE]\n\n`)
  }
  const timer = setInterval(say, 1000 / rate)
  response.on('close', () => clearInterval(timer))
}

const answer = async (request: IncomingMessage, response: ServerResponse) => {
  const asked = await text(request)
  // Read as little as need be: most of it is the tools that are offered.
  const [, model = ''] = /"model":"([^"]*)"/.exec(asked) ?? []
  const [, slowMs] = /^slow-(\d+)$/.exec(model) ?? []
  if (slowMs !== undefined) await pause(Number(slowMs))
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  if (model === 'endless') {
    const { messages } = Asked.parse(JSON.parse(asked))
    return streamEndlessly(model, messages.at(-1)?.content ?? '', response)
  }
  const [, rate, seconds] = /^paced-(\d+)x(\d+)$/.exec(model) ?? []
  if (rate !== undefined) return sayPaced(response, model, Number(rate), Number(rate) * Number(seconds))
  const usage = { prompt_tokens: 100, completion_tokens: 4, total_tokens: 104 }
  const chunks = [
    chunk(model, { role: 'assistant', content: 'Done: ' }, null),
    chunk(model, { content: 'it works.' }, null),
    chunk(model, {}, 'stop', usage),
  ]
  response.end(`${chunks.join('')}data: [DONE]\n\n`)
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy())
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  process.stdout.write(`http://127.0.0.1:${port}/v1\n`)
})
