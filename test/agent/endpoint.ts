import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { onTestFinished } from 'vitest'
import { z } from 'zod'
import type { ModelRequest } from '../../src/agent/model.ts'
import { createOpenAiModel } from '../../src/agent/openai-model.ts'

const Body = z.looseObject({ model: z.string(), messages: z.array(z.looseObject({ role: z.string() })) })
export type Body = z.infer<typeof Body>

/** A raw HTTP endpoint, for the dialects that no well-behaved mock speaks. Closed when the test ends. */
export const rawEndpoint = async (answer: (body: Body, response: ServerResponse, count: number) => void) => {
  const bodies: Body[] = []
  const closed: Promise<unknown>[] = []
  const connections = new Set<number>()
  const keys: (string | undefined)[] = []
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const body = Body.parse(JSON.parse(await textOf(request)))
    bodies.push(body)
    keys.push(request.headers.authorization)
    answer(body, response, bodies.length)
  }
  const server = createServer((request, response) => {
    closed.push(once(response, 'close'))
    connections.add(request.socket.remotePort ?? 0)
    void serve(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { baseUrl: `http://127.0.0.1:${port}/v1`, bodies, closed, connections, keys }
}

const textOf = async (request: IncomingMessage) => {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

export const sse = (response: ServerResponse, ...frames: unknown[]) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const frame of frames)
    response.write(`data: ${typeof frame === 'string' ? frame : JSON.stringify(frame)}\n\n`)
}

/** A chunk with one delta. */
export const delta = (fields: object, finish_reason: string | null = null) => ({
  id: 'c',
  object: 'chat.completion.chunk',
  model: 'served',
  choices: [{ index: 0, delta: fields, finish_reason }],
})

export const refuse = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = { 'content-type': 'application/json' },
) => {
  response.writeHead(status, headers)
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

export const request = (extra: Partial<ModelRequest> = {}): ModelRequest => ({
  model: 'm',
  messages: [{ role: 'user', content: 'hello there' }],
  tools: [{ name: 'echo', description: 'echoes', parameters: { type: 'object' } }],
  toolChoice: 'auto',
  maxTokens: 100,
  signal: new AbortController().signal,
  onDelta: () => {},
  ...extra,
})

/** An endpoint that streams these frames and ends the answer properly, or breaks the connection. */
export const streaming = async (frames: unknown[], end: 'done' | 'eof' | 'break' = 'done') =>
  rawEndpoint((_, response) => {
    sse(response, ...frames, ...(end === 'done' ? ['[DONE]'] : []))
    if (end === 'break') response.write('', () => response.destroy())
    else response.end()
  })

export const answerOf = async (frames: unknown[], end?: 'done' | 'eof' | 'break') => {
  const { baseUrl } = await streaming(frames, end)
  return createOpenAiModel({ baseUrl })(request())
}

export const failureOf = async (status: number, body: unknown, headers?: Record<string, string>) => {
  const { baseUrl, bodies } = await rawEndpoint((_, response) => refuse(response, status, body, headers))
  const result = await createOpenAiModel({ baseUrl, apiKey: 'sk-very-secret' })(request())
  return { ...(result.ok ? {} : result.failure), calls: bodies.length }
}
