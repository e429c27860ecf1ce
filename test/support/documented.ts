/** Holds answers against the OpenAPI document: what it says they are, they are, and nothing besides. */

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { createApiDocument } from '../../src/http/openapi/document.ts'

interface Operation {
  responses: Record<string, { content?: Record<string, object> }>
}

/** As clients get it. */
export const apiDocument = JSON.parse(JSON.stringify(createApiDocument({ version: 'test' }))) as {
  paths: Record<string, Record<string, Operation>>
}

/** Clients are told that answers may gain fields; those of this release are all documented. */
const closed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(closed)
  if (typeof value !== 'object' || value === null) return value
  // The parts of an event know each other's fields no more than their own: only the whole can be closed.
  if ('allOf' in value) return { ...value, unevaluatedProperties: false }
  const inner = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, closed(each)]))
  const isOpen = inner['type'] === 'object' && 'properties' in inner && !('additionalProperties' in inner)
  return isOpen ? { ...inner, additionalProperties: false } : inner
}

const ajv = addFormats.default(new Ajv2020({ strict: false, allErrors: true }))
ajv.addSchema(closed({ ...apiDocument, $id: 'alex' }) as object)

const validators = new Map<string, ValidateFunction>()

/** Throws, naming what is wrong, unless the JSON value is as this place of the document says. */
export const expectDocumented = (pointer: string, value: unknown): void => {
  const validate = validators.get(pointer) ?? ajv.compile({ $ref: `alex#${pointer}` })
  validators.set(pointer, validate)
  if (!validate(value))
    throw new Error(`not as ${pointer} says: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`)
}

export const pointerTo = (...names: string[]): string =>
  names.map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

/** `fetch` whose answers of documented routes are checked; only JSON bodies are looked into. */
export const documentedFetch: typeof fetch = async (input, init) => {
  const response = await fetch(input, init)
  const method = (init?.method ?? 'GET').toLowerCase()
  const found = operationAt(method, new URL(response.url).pathname)
  const type = mediaType(response)
  if (type === 'application/problem+json')
    expectDocumented('/components/schemas/ProblemDocument', await response.clone().json())
  if (found === undefined) return response
  const { path, operation } = found
  const status = String(response.status)
  const key = status in operation.responses ? status : 'default'
  const content = operation.responses[key]?.content
  const isSuccess = response.ok && key !== 'default'
  const asDocumented = isSuccess ? response.body === null || type in (content ?? {}) : type in (content ?? {})
  if (!asDocumented || (response.ok && !isSuccess))
    throw new Error(`${method} ${path} does not document a ${status} of ${type || 'no type'}`)
  if (type === 'application/json') {
    const place = pointerTo('paths', path, method, 'responses', key, 'content', type, 'schema')
    expectDocumented(place, await response.clone().json())
  }
  return response
}

const mediaType = (response: Response): string =>
  (response.headers.get('Content-Type') ?? '').split(';')[0]?.trim() ?? ''

const operationAt = (method: string, pathname: string) => {
  const given = pathname.split('/')
  const matching = Object.entries(apiDocument.paths).filter(([path]) => {
    const parts = path.split('/')
    return (
      parts.length === given.length &&
      parts.every((part, i) => (part.startsWith('{') ? given[i] !== '' : part === given[i]))
    )
  })
  // A literal path goes before one with a parameter.
  const [path, operations] =
    matching.toSorted(([a], [b]) => a.split('{').length - b.split('{').length)[0] ?? []
  const operation = operations?.[method]
  return path === undefined || operation === undefined ? undefined : { path, operation }
}
