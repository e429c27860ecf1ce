import type { Context } from 'hono'
import { z } from 'zod'
import type { FieldError } from '../errors.ts'
import { fieldErrorsOf, invalidFields } from './field-errors.ts'

/**
 * A reader of exactly these query parameters. An unknown one, one given twice that may not be, or a bad value
 * is 400 `invalid_request` naming it. Schemas see strings, or string arrays for the `repeatable`.
 */
export const queryReader = <Shape extends z.ZodRawShape>(
  shape: Shape,
  { repeatable = [] }: { repeatable?: (keyof Shape & string)[] } = {},
): ((c: Context) => z.output<z.ZodObject<Shape>>) => {
  const schema = z.object(shape)
  const known = Object.keys(shape)
  return (c) => {
    const given = new URL(c.req.url).searchParams
    const parsed = schema.safeParse(
      Object.fromEntries(
        known
          .filter((name) => given.has(name))
          .map((name) => [name, repeatable.includes(name) ? given.getAll(name) : given.get(name)]),
      ),
    )
    const errors = [
      ...misplaced(given, known, repeatable),
      ...(parsed.success ? [] : fieldErrorsOf(parsed.error)),
    ]
    if (!parsed.success || errors.length > 0) throw invalidFields(errors)
    return parsed.data
  }
}

/** For routes that take no query parameter. */
export const noQuery = queryReader({})

const misplaced = (given: URLSearchParams, known: string[], repeatable: string[]): FieldError[] =>
  [...new Set(given.keys())].flatMap((name) => {
    if (!known.includes(name)) {
      const message = `unknown query parameter; known here: ${known.join(', ') || 'none'}`
      return [{ path: name, message }]
    }
    const twice = !repeatable.includes(name) && given.getAll(name).length > 1
    return twice ? [{ path: name, message: 'given more than once' }] : []
  })
