/**
 * A scripted OpenAI-compatible endpoint. It follows the plan in the task's text, turn by turn, and keeps a journal
 * of every request. Each worker asks under a path of its own, so the journal knows who asked.
 */
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { ModelCall, ModelFault, ModelUsage, Plan, PlannedCall, PlannedTurn } from './history.ts'
import { planOf } from './plan.ts'

interface Message {
  role: string
  content: unknown
}

export interface ServerOptions {
  /** The shell command or the tool call that makes a planned call take effect. */
  callFor: (call: PlannedCall, token: string) => { name: string; arguments: object }
  /** Told of each request before it is answered. */
  onRequest?: (call: ModelCall, messages: readonly Message[]) => void
}

/** Longer than the idle time-out of a model call. */
const SILENCE_MS = 75_000
const CHUNKS = 4
/** A command that sleeps longer than this is one that a stopped worker can be caught with. */
const LONG_MS = 4000

export const startModelServer = async ({ callFor, onRequest }: ServerOptions) => {
  const calls: ModelCall[] = []
  const faultsGiven = new Set<string>()
  const sleepers: { worker: string; until: number }[] = []
  const stopping = new AbortController()

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const worker = request.url?.split('/')[1] ?? ''
    const { messages } = JSON.parse(await bodyOf(request)) as { messages: Message[] }
    const { plan, turn } = place(messages)
    const planned = plan.turns[Math.min(turn, plan.turns.length - 1)]
    if (!planned) throw new Error(`${plan.marker} has no turns`)
    const nonce = randomBytes(6).toString('hex')
    const call: ModelCall = {
      nonce,
      marker: plan.marker,
      turn,
      worker,
      at: Date.now(),
      closedAt: 0,
      end: 'answered',
    }
    calls.push(call)
    onRequest?.(call, messages)
    const gone = new AbortController()
    response.on('close', () => {
      if (call.closedAt > 0) return
      call.closedAt = Date.now()
      if (!response.writableFinished && call.end === 'answered') call.end = 'closed_by_client'
      gone.abort()
    })
    const signal = AbortSignal.any([gone.signal, stopping.signal])
    const asked = `${plan.marker}.${turn}`
    if (planned.fault && !faultsGiven.has(asked)) {
      faultsGiven.add(asked)
      await fail(response, call, planned.fault, signal)
      return
    }
    const chunks = chunksOf(plan, planned, turn, nonce)
    call.text = chunks.map((chunk) => ('content' in chunk ? String(chunk.content) : '')).join('')
    const told = (call.usage = usageOf(nonce))
    await stream(response, chunks, planned.modelMs, told, signal)
    const [first] = planned.calls
    if (first && first.beforeMs > LONG_MS) sleepers.push({ worker, until: Date.now() + first.beforeMs })
  }

  const chunksOf = (plan: Plan, planned: PlannedTurn, turn: number, nonce: string): object[] => {
    if (planned.calls.length === 0) return words(`done ${plan.marker} ${nonce}`)
    const toolCalls = planned.calls.map((call, index) => {
      const made = callFor(call, `${plan.marker}.${turn}.${index}.${nonce}`)
      const called = { name: made.name, arguments: JSON.stringify(made.arguments) }
      return { index, id: `c${index}`, type: 'function', function: called }
    })
    return [{ content: `turn ${turn} ${nonce}` }, ...toolCalls.map((call) => ({ tool_calls: [call] }))]
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    calls,
    /** A worker whose command sleeps now, for at least so long, before it acts. */
    sleeper: (leastMs: number): string | undefined =>
      sleepers.findLast(({ until }) => until - Date.now() >= leastMs)?.worker,
    urlFor: (worker: string) => `http://127.0.0.1:${port}/${worker}/v1`,
    async [Symbol.asyncDispose]() {
      stopping.abort()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
export type ModelServer = Awaited<ReturnType<typeof startModelServer>>

/** The last plan of the conversation, and how many answers it has had. */
const place = (messages: readonly Message[]): { plan: Plan; turn: number } => {
  for (let i = messages.length - 1; i >= 0; i -= 1) {
    const message = messages[i]
    const plan = message?.role === 'user' ? planOf(String(message.content)) : undefined
    if (plan) return { plan, turn: messages.slice(i).filter(({ role }) => role === 'assistant').length }
  }
  throw new Error('no plan in this conversation')
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const words = (text: string) => text.split(' ').map((word) => ({ content: `${word} ` }))

const frame = (delta: object, finish: string | null = null): string => {
  const choices = [{ index: 0, delta, finish_reason: finish }]
  return `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'scripted', choices })}\n\n`
}
const usageFrame = ({ input_tokens, output_tokens, cached_tokens }: ModelUsage): string => {
  const usage = {
    prompt_tokens: input_tokens,
    completion_tokens: output_tokens,
    total_tokens: input_tokens + output_tokens,
    prompt_tokens_details: { cached_tokens },
  }
  return `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'scripted', choices: [], usage })}

`
}

/** Another one each time, so that no two answers can be taken for each other. */
const usageOf = (nonce: string): ModelUsage => {
  const [input = 0, output = 0, cached = 0] = Buffer.from(nonce, 'hex')
  return { input_tokens: 3000 + input, output_tokens: 1 + output, cached_tokens: cached * 10 }
}

const stream = async (
  response: ServerResponse,
  deltas: object[],
  ms: number,
  usage: ModelUsage,
  signal: AbortSignal,
) => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  const step = ms / (deltas.length + 1)
  for (const delta of [{ role: 'assistant', content: '' }, ...deltas]) {
    response.write(frame(delta))
    await pause(step, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
  }
  const tools = deltas.some((delta) => 'tool_calls' in delta)
  response.end(`${frame({}, tools ? 'tool_calls' : 'stop')}${usageFrame(usage)}data: [DONE]\n\n`)
}

const fail = async (response: ServerResponse, call: ModelCall, fault: ModelFault, signal: AbortSignal) => {
  call.end = fault
  const refuse = (status: number, headers = {}) =>
    response
      .writeHead(status, { 'Content-Type': 'application/json', ...headers })
      .end(JSON.stringify({ error: { message: `scripted ${status}`, type: 'scripted' } }))
  switch (fault) {
    case '429':
      return void refuse(429, { 'Retry-After': '0.2' })
    case '500':
      return void refuse(500)
    case 'disconnect':
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      for (let i = 0; i < CHUNKS; i += 1) response.write(frame({ content: 'half an ans' }))
      await pause(20)
      return void response.destroy()
    case 'malformed':
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      return void response.end(`${frame({ content: 'x' })}data: {"choices": [{"delta": oops\n\n`)
    case 'silence':
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.flushHeaders()
      await pause(SILENCE_MS, undefined, { signal }).catch(() => {})
      return void response.destroy()
  }
}
