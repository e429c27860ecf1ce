/** An app behind node's HTTP server. What never reaches the app (broken HTTP) is answered here, in the same form. */
import { randomUUID } from 'node:crypto'
import { createServer, type Server, ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { getRequestListener, type Http2Bindings, type HttpBindings, RequestError } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Hono } from 'hono'
import { bodyOf, PROBLEM_JSON, Problem } from './problem.ts'
import type { ApiEnv } from './request-id.ts'

/** The server is not listening yet; its owner listens and closes. */
export const createHttpServer = (app: Hono<ApiEnv>): Server => {
  const answerTo = async (request: Request, { outgoing }: HttpBindings | Http2Bindings) => {
    const env: ApiEnv['Bindings'] = {}
    const answer = await app.fetch(request, env)
    if (env.write === undefined || !(outgoing instanceof ServerResponse)) return answer
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers))
    // Sent by itself, so that what node keeps of it is one string and not the thirty it was put together from.
    outgoing.flushHeaders()
    env.write(outgoing)
    return RESPONSE_ALREADY_SENT
  }
  const listener = getRequestListener(answerTo, { errorHandler: answerFailure })
  const server = createServer((request, answer) => void listener(request, answer))
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => answerBroken(error, socket))
  return server
}

/** A Host or a target that makes no URL; anything else the app itself should have answered. */
const answerFailure = (error: unknown): Response => {
  const problem =
    error instanceof RequestError
      ? malformed('the request target or its Host header is malformed')
      : new Problem(500, 'internal_error', 'something went wrong here')
  const { headers, body } = rendered(problem)
  return new Response(body, { status: problem.status, headers })
}

const answerBroken = (error: NodeJS.ErrnoException, socket: Duplex): void => {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy(error)
    return
  }
  const problem = problemFor(error.code)
  const { headers, body } = rendered(problem)
  const head = Object.entries({ ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${head}\r\n${body}`)
}

const problemFor = (code: string | undefined): Problem => {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new Problem(431, 'headers_too_large', 'the headers are too large')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new Problem(408, 'request_timeout', 'the request took too long to arrive')
  }
  return malformed('this is not HTTP as we know it')
}

const malformed = (detail: string) => new Problem(400, 'malformed_request', detail)

const rendered = (problem: Problem) => {
  const id = randomUUID()
  return {
    headers: { 'Content-Type': PROBLEM_JSON, 'X-Request-Id': id, 'Cache-Control': 'no-store' },
    body: JSON.stringify(bodyOf(problem, (text) => text, id)),
  }
}
