import type { z } from 'zod'
import { type FieldError, InvalidRequest } from '../errors.ts'

/** One entry per offending field; each unknown field by its own name. */
export const fieldErrorsOf = (error: z.ZodError): FieldError[] =>
  error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: dotted([...issue.path, key]), message: 'unknown field' }))
    }
    return [{ path: dotted(issue.path), message: plain(issue.message) }]
  })

/** 400 `invalid_request` whose detail is readable without `errors`. */
export const invalidFields = (errors: FieldError[]): InvalidRequest => {
  const shown = errors.slice(0, 3).map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
  const more = errors.length > shown.length ? ` (and ${errors.length - shown.length} more)` : ''
  return new InvalidRequest('invalid_request', shown.join('; ') + more, errors)
}

const dotted = (path: PropertyKey[]): string => path.map(String).join('.')

const plain = (message: string): string =>
  message.endsWith('received undefined') ? 'required' : message.replace(/^Invalid input: /, '')
