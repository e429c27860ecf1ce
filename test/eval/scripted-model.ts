/**
 * An OpenAI-compatible endpoint with two models, `solver` and `failer`, which play the scripts of the cases. It keeps
 * nothing: the conversation says which script it is and how far it got, so that any number of runs go on at once.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { EvalCase, Script, Turn } from './case.ts'

export type ScriptName = 'solver' | 'failer'

interface Body {
  model: string
  messages: { role: string; content: unknown }[]
}

/** Roughly what a token is; the evaluation only needs numbers that are the same in every run. */
const CHARS_PER_TOKEN = 4

export const startScriptedModel = async (cases: readonly EvalCase[]) => {
  const scripts = {
    solver: scriptsOf(cases.map(({ task, solver }) => [task, solver])),
    failer: scriptsOf(cases.map(({ task, failer }) => [task, failer])),
  }
  const server = createServer((request, response) => {
    void (async () => {
      const body = JSON.parse(await textOf(request)) as Body
      const turn = nextTurn(body, new Map(Object.entries(scripts)).get(body.model))
      if (turn === undefined) return refuse(response, 'no script for this conversation')
      stream(response, body, turn)
    })().catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Turns by the text of the task or subtask. */
const scriptsOf = (scripts: [task: string, script: Script][]) =>
  new Map(
    scripts.flatMap(([task, { turns, subtasks = {} }]) => [
      [task, turns] as const,
      ...Object.entries(subtasks),
    ]),
  )

const nextTurn = ({ messages }: Body, scripts: ReadonlyMap<string, readonly Turn[]> | undefined) => {
  const start = messages.findLastIndex(
    ({ role, content }) => role === 'user' && scripts?.has(String(content)),
  )
  if (start < 0) return undefined
  const answered = messages.slice(start).filter(({ role }) => role === 'assistant').length
  return scripts?.get(String(messages[start]?.content))?.[answered]
}

const stream = (response: ServerResponse, body: Body, turn: Turn) => {
  const calls = typeof turn === 'string' ? [] : turn
  const delta =
    typeof turn === 'string'
      ? { role: 'assistant', content: turn }
      : {
          role: 'assistant',
          tool_calls: calls.map(([name, args], index) => ({
            index,
            id: `call_${index}`,
            type: 'function',
            function: { name, arguments: JSON.stringify(args) },
          })),
        }
  const input = Math.ceil(JSON.stringify(body).length / CHARS_PER_TOKEN)
  const output = Math.ceil(JSON.stringify(delta).length / CHARS_PER_TOKEN)
  const usage = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output }
  const chunk = { id: 'scripted', object: 'chat.completion.chunk', created: 0, model: body.model }
  const finish_reason = calls.length > 0 ? 'tool_calls' : 'stop'
  const frames = [
    { ...chunk, choices: [{ index: 0, delta, finish_reason: null }] },
    { ...chunk, choices: [{ index: 0, delta: {}, finish_reason }] },
    { ...chunk, choices: [], usage },
  ]
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  response.end(
    [...frames.map((frame) => JSON.stringify(frame)), '[DONE]'].map((data) => `data: ${data}\n\n`).join(''),
  )
}

const refuse = (response: ServerResponse, message: string) => {
  response.writeHead(400, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify({ error: { message, type: 'invalid_request_error' } }))
}

const textOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
