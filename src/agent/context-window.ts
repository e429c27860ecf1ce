/** How many tokens a model can read, and how many of them a request may have. */

const UNKNOWN = 128_000

export interface WindowOptions {
  /** Counts for every model. */
  configured?: number
  /** Of the endpoint: routers name their models their own way. */
  baseUrl?: string
}

/** Tokens, by model: as configured, else as the price list knows it, else 128000. The list is loaded when the first model is asked for, and never from the network. */
export const createWindowOf = ({
  configured,
  baseUrl,
}: WindowOptions): ((model: string) => Promise<number>) => {
  const known = new Map<string, number>()
  return async (model) => {
    if (configured !== undefined) return configured
    const window = known.get(model) ?? (await listed(model, baseUrl)) ?? UNKNOWN
    known.set(model, window)
    return window
  }
}

const listed = async (model: string, baseUrl: string | undefined): Promise<number | undefined> => {
  const { calcPrice } = await import('@pydantic/genai-prices')
  // The only public way to a model's entry is through a price.
  const windowOf = (id: string, options: object) =>
    calcPrice({ input_tokens: 1 }, id, options)?.model.context_window
  const provider = baseUrl === undefined ? { providerId: 'openai' } : { providerApiUrl: baseUrl }
  // `openai/gpt-4o`, behind a gateway that nobody knows.
  return windowOf(model, provider) ?? windowOf(model, {}) ?? windowOf(model.replace(/^[\w.-]+\//, ''), {})
}

/** Of a summary; some models think before they write it. */
export const answerTokens = (window: number): number => Math.min(4_096, Math.floor(window / 4))

/**
 * Tokens a request may have, and its answer. Where prompt and tools leave less than an eighth of the window for the
 * conversation, it gets that from the answer.
 */
export const roomIn = (
  window: number,
  maxTokens: number,
  fixed: number,
): { limit: number; maxTokens: number } => {
  const most = 0.8 * window
  const spare = 0.05 * window
  const limit = Math.min(most, window - maxTokens - spare)
  const least = Math.min(most, fixed + window / 8)
  if (limit >= least) return { limit, maxTokens }
  return { limit: least, maxTokens: Math.floor(Math.min(maxTokens, window - spare - least)) }
}
