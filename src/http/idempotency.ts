import type { Context } from 'hono'
import { z } from 'zod'
import { checked } from './body.ts'
import { Problem } from './problem.ts'

/** Whoever repeats a request names it by this. */
export const IdempotencyKey = z
  .string()
  .refine((key) => key.length >= 1 && key.length <= 255, 'must be 1 to 255 characters')

const Headers = z.object({ 'Idempotency-Key': IdempotencyKey.optional() })

/** The `Idempotency-Key` header; 400 when it is empty or longer than 255 characters. */
export const idempotencyKey = (c: Context): string | undefined =>
  checked(Headers, { 'Idempotency-Key': c.req.header('Idempotency-Key') })['Idempotency-Key']

export const idempotencyConflict = (): Problem =>
  new Problem(409, 'idempotency_conflict', 'this Idempotency-Key was used for another body')
