import { z } from 'zod'

/** Every answer that is no success (RFC 9457, `application/problem+json`). */
export const ProblemDocument = z.object({
  type: z.literal('about:blank'),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  /** Stable: what programs look at. */
  code: z.string(),
  /** What is wrong with which field of the body or query. */
  errors: z.array(z.object({ path: z.string(), message: z.string() })).exactOptional(),
  request_id: z.string(),
})
export type ProblemDocument = z.infer<typeof ProblemDocument>
