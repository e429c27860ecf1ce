/** Places in a list, opaque to whoever pages through it. */
import type { z } from 'zod'
import { InvalidRequest } from '../errors.ts'

export const encodeCursor = (place: unknown): string =>
  Buffer.from(JSON.stringify(place)).toString('base64url')

/** Throws `InvalidRequest('invalid_cursor')`. */
export const decodeCursor = <T>(cursor: string, schema: z.ZodType<T>): T => {
  try {
    return schema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')))
  } catch {
    throw new InvalidRequest('invalid_cursor', 'this cursor is none of ours', [
      { path: 'cursor', message: 'take it from the Link header of the page before' },
    ])
  }
}
