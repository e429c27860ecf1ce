/** Any endpoint that speaks OpenAI's chat completions, streamed. */
import OpenAI from 'openai'
import { messageOf } from '../errors.ts'
import type { Model, ModelFailure, ModelRequest } from './model.ts'
import { type AnswerBuilder, createAnswerBuilder } from './openai-answer.ts'
import { httpFailure, providerError, streamFailure } from './openai-failure.ts'
import { type Quirks, wireText } from './openai-messages.ts'
import { readStream, StreamError } from './openai-stream.ts'
import { createWire, fetchThroughWire, type Wire } from './openai-wire.ts'

export interface OpenAiOptions {
  /** Local endpoints need none. */
  apiKey?: string
  /** Default: OpenAI's own. */
  baseUrl?: string
  temperature?: number
  /** Milliseconds without a byte after which a call is given up. */
  idleTimeoutMs?: number
}

type Result = Awaited<ReturnType<Model>>

/** Characters of text and arguments; what is longer is no answer. */
const MAX_ANSWER_CHARS = 8_000_000
/** The library's own limit ends waiting for headers; the idle time-out is the one that counts. */
const LIBRARY_TIMEOUT_MS = 3_600_000

/** One HTTP request for each call. Keeps what each model turned out not to take, for as long as it lives. */
export const createOpenAiModel = ({
  apiKey,
  baseUrl = 'https://api.openai.com/v1',
  temperature,
  idleTimeoutMs = 60_000,
}: OpenAiOptions): Model => {
  const known = new Map<string, Quirks>()
  // Spelled out, because the library reads the environment for what is left open.
  const client = new OpenAI({
    apiKey: apiKey ?? 'none',
    adminAPIKey: null,
    baseURL: baseUrl,
    organization: null,
    project: null,
    maxRetries: 0,
    timeout: LIBRARY_TIMEOUT_MS,
    logLevel: 'off',
    fetch: fetchThroughWire,
  })

  const attempt = async (request: ModelRequest): Promise<Result> => {
    const quirks = known.get(request.model) ?? ALL_TAKEN
    using wire = createWire(request.signal, idleTimeoutMs)
    const builder = createAnswerBuilder(request)
    try {
      const { signal, fetchOptions, alive } = wire
      // What `chat.completions.create` does, without walking through the body to write it.
      const response = await client
        .post('/chat/completions', {
          body: wireText(request, quirks, temperature),
          headers: { 'content-type': 'application/json' },
          stream: true,
          signal,
          fetchOptions,
        })
        .asResponse()
      const onChunk = (chunk: OpenAI.Chat.ChatCompletionChunk) => {
        builder.add(chunk)
        return builder.size() <= MAX_ANSWER_CHARS
      }
      const marked = await readStream(response, { signal, alive, onChunk })
      if (builder.size() > MAX_ANSWER_CHARS) return failed(TOO_LONG)
      return (
        unanswered(wire, request.signal) ??
        answered(builder, marked) ??
        failed(wire.idled() ? IDLE : BROKEN_OFF)
      )
    } catch (error) {
      const refused = wire.refused()
      if (refused && !request.signal.aborted) {
        const failure: ModelFailure = { ...httpFailure(refused), unbilled: true }
        const without = withoutRefused(quirks, refused)
        if (without === null) return failed(failure)
        // Another call may have learnt more meanwhile.
        if ((known.get(request.model) ?? ALL_TAKEN) === quirks) known.set(request.model, without)
        return failed({ ...failure, kind: 'unsupported', code: 'unsupported_parameter' })
      }
      if (error instanceof StreamError) return failed(streamFailure(error.body))
      const broken = brokenBy(error)
      return (
        unanswered(wire, request.signal) ?? answered(builder, false) ?? failed(wire.idled() ? IDLE : broken)
      )
    }
  }

  return async (request) => {
    if (request.signal.aborted) return failed(ABORTED)
    const result = await attempt(request)
    return apiKey ? masked(result, apiKey) : result
  }
}

const ALL_TAKEN: Quirks = { tokensParam: 'max_tokens', temperature: true, streamOptions: true }
const UNSUPPORTED = ['unsupported_parameter', 'unsupported_value', 'unknown_parameter']

/**
 * The quirks to call again with when the endpoint refused a parameter we can do without, else null. Each step
 * gives something up for good, so the calls end. An endpoint that does not name the parameter is tried without
 * each of them in turn.
 */
const withoutRefused = (quirks: Quirks, { body }: { body: string }): Quirks | null => {
  const { code, param } = providerError(body)
  if (code === undefined || !UNSUPPORTED.includes(code)) return null
  const about = (name: string) => param === undefined || param.split('.')[0] === name
  if (quirks.tokensParam === 'max_tokens' && about('max_tokens'))
    return { ...quirks, tokensParam: 'max_completion_tokens' }
  if (quirks.streamOptions && about('stream_options')) return { ...quirks, streamOptions: false }
  if (quirks.temperature && about('temperature')) return { ...quirks, temperature: false }
  return null
}

const unanswered = (wire: Wire, signal: AbortSignal): Result | null => {
  if (signal.aborted) return failed(ABORTED)
  return wire.html() ? failed(NOT_AN_API) : null
}

/**
 * The answer, when it is whole: one that gave its finish reason is, whatever became of the connection then.
 * The library takes the end of the connection for the end of the answer, so without a finish reason only the
 * stream's own end mark counts.
 */
const answered = (builder: AnswerBuilder, endMark: boolean): Result | null => {
  const finish = builder.finishReason()
  if (finish === undefined && !endMark) return null
  const answer = builder.build()
  const empty = answer.content === '' && answer.tool_calls.length === 0
  return finish === 'content_filter' && empty ? failed(FILTERED) : { ok: true, answer }
}

const failed = (failure: ModelFailure): Result => ({ ok: false, failure })

const ABORTED: ModelFailure = { kind: 'aborted', code: 'aborted', message: 'the call was aborted' }
const BROKEN_OFF: ModelFailure = {
  kind: 'network',
  code: 'connection_failed',
  message: 'the answer broke off before its end',
}
const FILTERED: ModelFailure = {
  kind: 'rejected',
  code: 'content_filter',
  message: "the provider's content filter withheld the answer",
}
const TOO_LONG: ModelFailure = {
  kind: 'rejected',
  code: 'answer_too_long',
  message: `the answer passed ${MAX_ANSWER_CHARS} characters`,
}

const IDLE: ModelFailure = {
  kind: 'timeout',
  code: 'idle_timeout',
  message: 'the model sent nothing for too long',
}

const NOT_AN_API: ModelFailure = {
  kind: 'rejected',
  code: 'not_an_api',
  message: 'the endpoint answered with an HTML page: check base_url',
  unbilled: true,
}

/** A connection that failed like this never carried a request. (Ports that browsers must not ask have no code.) */
const NOT_REACHED = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']

/** The innermost cause says what happened (`ECONNREFUSED …`); the outer ones say `Connection error.` */
const brokenBy = (error: unknown): ModelFailure => {
  let root = error
  while (root instanceof Error && root.cause instanceof Error) root = root.cause
  const code = root instanceof Error && 'code' in root ? String(root.code) : ''
  return {
    kind: 'network',
    code: 'connection_failed',
    message: messageOf(root) || code || 'the connection failed',
    ...(NOT_REACHED.includes(code) || messageOf(root) === 'bad port' ? { unbilled: true } : {}),
  }
}

/** Providers quote the key they refuse. */
const masked = (result: Result, apiKey: string): Result =>
  result.ok
    ? result
    : failed({ ...result.failure, message: result.failure.message.replaceAll(apiKey, '[api key]') })
