import type { Context } from 'hono'
import { invalidFields } from './field-errors.ts'
import { Problem } from './problem.ts'

/** The `Idempotency-Key` header; 400 when it is empty or longer than 255 characters. */
export const idempotencyKey = (c: Context): string | undefined => {
  const key = c.req.header('Idempotency-Key')
  if (key === undefined || (key.length >= 1 && key.length <= 255)) return key
  throw invalidFields([{ path: 'Idempotency-Key', message: 'must be 1 to 255 characters' }])
}

export const idempotencyConflict = (): Problem =>
  new Problem(409, 'idempotency_conflict', 'this Idempotency-Key was used for another body')
