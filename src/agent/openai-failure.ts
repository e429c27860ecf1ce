/**
 * What a failed call means, by HTTP status and the provider's error code: never by words in its message, which
 * change and differ. Consequence: an endpoint that reports a context overflow as a bare 400, without
 * `context_length_exceeded` or `exceed_context_size_error` as code or type and without status 413, is
 * `rejected`; its message still reaches the user.
 */
import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import type { ModelFailure } from './model.ts'

const MAX_MESSAGE_CHARS = 1_000

/** An error answer as it came: body as text, at most as much of it as was read. */
export interface HttpFailure {
  status: number
  headers: Headers
  body: string
}

/** The error object inside a body or a stream, as far as it is understood. */
export interface ProviderError {
  message?: string
  code?: string
  type?: string
  param?: string
  /** Some routers put the upstream's status where the code belongs. */
  status?: number
}

const CONTEXT_CODES = ['context_length_exceeded', 'exceed_context_size_error', 'request_too_large']
/** 429 by status, but no wait helps. */
const QUOTA_CODES = ['insufficient_quota', 'billing_hard_limit_reached']
const RATE_CODES = ['rate_limit_exceeded', 'rate_limit_error']

export const httpFailure = (answer: HttpFailure): ModelFailure => {
  const error = providerError(answer.body)
  const retryAfterMs = retryAfter(answer.headers)
  return {
    ...classify(answer.status, error),
    message: `${answer.status} ${error.message ?? plainText(answer)}`.slice(0, MAX_MESSAGE_CHARS),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
}

/** An error object in the middle of a stream: there is no status, so an unknown one is worth a retry. */
export const streamFailure = (body: unknown): ModelFailure => {
  const error = providerError(JSON.stringify(body ?? null))
  const message = (error.message ?? 'the provider broke the answer off').slice(0, MAX_MESSAGE_CHARS)
  const says = (code: string) => code === error.code || code === error.type
  return { ...classify(error.status ?? (RATE_CODES.some(says) ? 429 : 500), error), message }
}

/** Understands `{error:{…}}`, `{error:"…"}`, a list of one of these, `{message}`, `{detail}`; anything else is {}. */
export const providerError = (body: string): ProviderError => {
  const outer = asObject(parsed(body))
  const inner = typeof outer['error'] === 'string' ? { message: outer['error'] } : asObject(outer['error'])
  const error = Object.keys(inner).length > 0 ? inner : outer
  const text = (key: string) => z.string().min(1).safeParse(error[key]).data
  const number = z.number().int().min(400).max(599).safeParse(error['code']).data
  const message = text('message') ?? text('detail')
  const code = text('code')
  const type = text('type')
  const param = text('param')
  return {
    ...(message !== undefined && { message }),
    ...(code !== undefined && { code }),
    ...(type !== undefined && { type }),
    ...(param !== undefined && { param }),
    ...(number !== undefined && { status: number }),
  }
}

const classify = (status: number, { code, type }: ProviderError): Pick<ModelFailure, 'kind' | 'code'> => {
  const says = (codes: readonly string[]) => codes.some((known) => known === code || known === type)
  if (status === 413 || says(CONTEXT_CODES)) return { kind: 'context_overflow', code: 'context_overflow' }
  if (says(QUOTA_CODES)) return { kind: 'rejected', code: 'insufficient_quota' }
  if (status === 429) return { kind: 'overloaded', code: 'rate_limited' }
  if (status === 503 || status === 529) return { kind: 'overloaded', code: 'overloaded' }
  if (status === 408) return { kind: 'timeout', code: 'request_timeout' }
  if (status >= 500 || status === 409 || status === 425) return { kind: 'overloaded', code: 'server_error' }
  return { kind: 'rejected', code: REJECTED[status] ?? 'bad_request' }
}

const REJECTED: Record<number, string> = {
  401: 'unauthorized',
  402: 'payment_required',
  403: 'forbidden',
  404: 'not_found',
}

/** A page of HTML says less than the status does. */
const plainText = ({ status, body, headers }: HttpFailure): string => {
  const text = body.trim()
  const html = headers.get('content-type')?.includes('html') || text.startsWith('<')
  return text === '' || html ? (STATUS_CODES[status] ?? 'unknown error') : text
}

/** Milliseconds: `retry-after-ms`, or `retry-after` as seconds or as an HTTP date. */
const retryAfter = (headers: Headers): number | undefined => {
  const ms = Number.parseFloat(headers.get('retry-after-ms') ?? '')
  if (ms >= 0) return ms
  const value = headers.get('retry-after')
  if (value === null) return undefined
  const seconds = Number(value)
  const wait = Number.isNaN(seconds) ? Date.parse(value) - Date.now() : seconds * 1_000
  return Number.isNaN(wait) ? undefined : Math.max(0, wait)
}

const parsed = (text: string): unknown => {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value[0] : value
  } catch {
    return undefined
  }
}

const asObject = (value: unknown): Record<string, unknown> =>
  z.record(z.string(), z.unknown()).safeParse(value).data ?? {}
