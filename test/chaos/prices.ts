/** What the run's one model costs, worked out apart from the service, in whole nano-USD. */
import type { ModelUsage } from './history.ts'

export const MODEL = 'scripted'

/** The service's configuration, in USD per million tokens: of thousandths, so that a token costs whole nano-USD. */
export const CONFIG = {
  model: MODEL,
  prices: { [MODEL]: { input: 0.251, cached: 0.026, output: 2.003 } },
}

export const nanoOf = ({ input_tokens, output_tokens, cached_tokens }: ModelUsage): number =>
  (input_tokens - cached_tokens) * 251 + cached_tokens * 26 + output_tokens * 2003
