/** An OpenAI-compatible model server that answers at once, in a process of its own. Prints its URL. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { z } from 'zod'

const Asked = z.looseObject({ model: z.string(), stream: z.boolean().optional() })

const chunk = (model: string, delta: object, finish: string | null, usage?: object) =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: 0,
    model,
    choices: [{ index: 0, delta, finish_reason: finish }],
    ...(usage && { usage }),
  })}\n\n`

const answer = async (request: IncomingMessage, response: ServerResponse) => {
  const { model } = Asked.parse(await json(request))
  response.writeHead(200, { 'content-type': 'text/event-stream' })
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
