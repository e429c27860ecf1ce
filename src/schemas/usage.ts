/** What model calls used and cost. Absent rather than zero where nothing is known or nothing happened. */
import { z } from 'zod'

export const Usage = z.object({
  /** Of answered calls, as the providers say; estimated where one says nothing. */
  input_tokens: z.number().int(),
  output_tokens: z.number().int(),
  /** Part of the input. */
  cached_tokens: z.number().int(),
  total_tokens: z.number().int(),
  /** Of answered calls whose price is known; absent when there is none. */
  cost_usd: z.number().optional(),
  /** Of calls without an answer (aborted, broken off, lost with their worker) or without a usage: not in `cost_usd`. */
  estimated_cost_usd: z.number().optional(),
  /** Answered ones. */
  model_calls: z.number().int(),
  /** Calls whose price is not known: their cost is in neither sum. */
  unpriced_calls: z.number().int().optional(),
  estimated_calls: z.number().int().optional(),
  /** Not part of the tokens above. */
  estimated_tokens: z.number().int().optional(),
})
export type Usage = z.infer<typeof Usage>
