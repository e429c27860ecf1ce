import { z } from 'zod'
import { type FieldError, InvalidRequest } from '../errors.ts'
import { SessionId } from '../schemas/task.ts'

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

/** Of a path. Throws `invalid_request` when no session can have it. */
export const sessionIdOf = (text: string): string => {
  const parsed = SessionParams.safeParse({ session_id: text })
  if (!parsed.success) throw invalidFields(fieldErrorsOf(parsed.error))
  return parsed.data.session_id
}
const SessionParams = z.object({ session_id: SessionId })
