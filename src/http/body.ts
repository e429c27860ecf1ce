/** Request bodies: bounded, JSON, checked against a schema. */
import type { Context } from 'hono'
import type { z } from 'zod'
import type { FieldError } from '../errors.ts'
import { fieldErrorsOf, invalidFields } from './field-errors.ts'
import { jsonErrorPosition } from './json-position.ts'
import { isJson, mediaType } from './media-type.ts'
import { Problem } from './problem.ts'

export const MAX_BODY_BYTES = 1024 * 1024
/** How much of a body too large is read and thrown away, so that its sender comes to read the 413. */
const MAX_DRAINED_BYTES = 8 * 1024 * 1024
const MAX_DRAIN_MS = 2000

/**
 * The body as `schema` has it. 413 over 1 MiB; 415 for a type that is not JSON; 400 `invalid_json` for a text
 * that is no JSON; 400 `invalid_request` for anything the schema refuses. With `optional`, an empty body
 * counts as `{}`.
 */
export const readBody = async <Schema extends z.ZodType>(
  c: Context,
  schema: Schema,
  { optional = false }: { optional?: boolean } = {},
): Promise<z.output<Schema>> => {
  const text = decode(await readBytes(c))
  const empty = text.trim() === ''
  if (!(empty && optional)) checkType(c, text)
  return checked(schema, empty && optional ? {} : parseObject(text))
}

/** The value as `schema` has it; throws 400 `invalid_request` naming every field it refuses. */
export const checked = <Schema extends z.ZodType>(schema: Schema, value: object): z.output<Schema> => {
  const parsed = schema.safeParse(value)
  const errors = [...(parsed.success ? [] : fieldErrorsOf(parsed.error)), ...nestedProto(value)]
  if (!parsed.success || errors.length > 0) throw invalidFields(errors)
  return parsed.data
}

const readBytes = async (c: Context): Promise<Uint8Array> => {
  const declared = Number(c.req.header('Content-Length') ?? Number.NaN)
  try {
    if (declared <= MAX_BODY_BYTES) return new Uint8Array(await c.req.arrayBuffer())
    const body = c.req.raw.body
    return body === null ? new Uint8Array() : await readBounded(body.getReader())
  } catch (error) {
    if (error instanceof Problem) throw error
    throw new Problem(400, 'incomplete_body', 'the body ended before its announced length')
  }
}

const readBounded = async (reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return Buffer.concat(chunks)
    size += value.length
    if (size > MAX_BODY_BYTES) break
    chunks.push(value)
  }
  await drain(reader)
  throw new Problem(413, 'body_too_large', `the body is over ${MAX_BODY_BYTES} bytes`)
}

const drain = async (reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> => {
  const { promise: late, resolve } = Promise.withResolvers<{ done: true; value?: undefined }>()
  const timer = setTimeout(() => resolve({ done: true }), MAX_DRAIN_MS)
  try {
    for (let drained = 0; drained < MAX_DRAINED_BYTES; ) {
      const { done, value } = await Promise.race([reader.read(), late])
      if (done) return
      drained += value.length
    }
  } finally {
    clearTimeout(timer)
  }
}

const decode = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Problem(400, 'invalid_json', 'the body is not UTF-8')
  }
}

/** curl sends JSON as a form unless told otherwise; what is meant as JSON is judged as JSON. */
const checkType = (c: Context, text: string): void => {
  const type = c.req.header('Content-Type')
  const encoding = c.req.header('Content-Encoding') ?? 'identity'
  if (encoding !== 'identity') throw unsupported(`a body with Content-Encoding ${encoding} is not accepted`)
  if (isJson(type) || mediaType(type) === '') return
  if (mediaType(type) === 'application/x-www-form-urlencoded' && /^\s*[{[]/.test(text)) return
  throw unsupported('send the body as JSON, with Content-Type: application/json')
}

const unsupported = (detail: string) =>
  new Problem(415, 'unsupported_media_type', detail, { headers: { Accept: 'application/json' } })

const parseObject = (text: string): object => {
  if (text.trim() === '') throw new Problem(400, 'invalid_json', 'the body is empty; send a JSON object')
  const value = parseJson(text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw invalidFields([{ path: '', message: 'the body must be a JSON object' }])
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    const position = jsonErrorPosition(text)
    const where = position === undefined ? '' : `${lineAndColumn(text, position)}, `
    const why =
      error instanceof Error ? error.message.replace(/ (?:in JSON )?at position .*/, '') : 'not JSON'
    throw new Problem(400, 'invalid_json', `the body is not valid JSON: ${where}${why}`)
  }
}

const lineAndColumn = (text: string, position: number): string => {
  const before = text.slice(0, position).split('\n')
  return `at position ${position} (line ${before.length} column ${(before.at(-1)?.length ?? 0) + 1})`
}

/** zod names an own `__proto__` of the body itself but skips one inside a record; nothing is taken silently. */
const nestedProto = (body: object): FieldError[] =>
  Object.entries(body)
    .filter(([, value]) => typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__'))
    .map(([name]) => ({ path: `${name}.__proto__`, message: 'unknown field' }))
