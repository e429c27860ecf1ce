/** What model calls cost. A price that nobody knows stays unknown: no cost is made up. */
import type { TokenUsage } from '../schemas/event.ts'

/** USD per million tokens. */
export interface ModelPrice {
  input: number
  output: number
  /** Of input read from the provider's cache; absent: as any input. */
  cached?: number | undefined
}

/** The cost of one call in nano-USD, a whole number, so that sums are exact. */
export type CostOf = (usage: TokenUsage) => number

export interface Prices {
  /** Null when the model's price is not known. Never throws. */
  of: (model: string) => Promise<CostOf | null>
}

const NANO = 1e9
/** Names of models come from whoever submits tasks. */
const MOST_KNOWN = 1000
export const usdOf = (nano: number): number => nano / NANO
export const nanoOf = (usd: number): number => Math.round(usd * NANO)

const OPENAI_URL = 'https://api.openai.com/v1'

export const NO_PRICES: Prices = { of: async () => null }

export interface PriceOptions {
  /** By the model's name as it is asked for; goes before what is known of the provider. */
  prices: Readonly<Record<string, ModelPrice>>
  /** Of the endpoint; one that belongs to no known provider has no known prices. */
  baseUrl?: string | undefined
  /** No provider is asked at all. */
  offline: boolean
}

export const createPrices = ({ prices, baseUrl = OPENAI_URL, offline }: PriceOptions): Prices => {
  const known = new Map(Object.entries(prices))
  const listed = new Map<string, CostOf | null>()
  return {
    async of(model) {
      if (offline) return () => 0
      const price = known.get(model)
      if (price) return ownCost(price)
      const cost = listed.get(model)
      if (cost !== undefined) return cost
      const found = await listedCost(model, baseUrl)
      if (listed.size >= MOST_KNOWN) listed.clear()
      listed.set(model, found)
      return found
    },
  }
}

const ownCost =
  ({ input, output, cached = input }: ModelPrice): CostOf =>
  (usage) => {
    const fromCache = Math.min(usage.cached_tokens, usage.input_tokens)
    const perMillion =
      (usage.input_tokens - fromCache) * input + fromCache * cached + usage.output_tokens * output
    return Math.round((perMillion * NANO) / 1e6)
  }

/** From the price list that comes with the package; it is as old as that and asks nobody. */
const listedCost = async (model: string, baseUrl: string): Promise<CostOf | null> => {
  // 22 MB and 70 ms: only where somebody asks.
  const { calcPrice, findProvider } = await import('@pydantic/genai-prices')
  const provider = findProvider({ providerApiUrl: baseUrl })
  if (!provider) return null
  const calculated = (usage: TokenUsage) => {
    const { input_tokens, output_tokens } = usage
    const cache_read_tokens = Math.min(usage.cached_tokens, input_tokens)
    try {
      const found = calcPrice({ input_tokens, output_tokens, cache_read_tokens }, model, { provider })
      const price = found?.model_price
      return price?.['input_mtok'] === undefined || price['output_mtok'] === undefined ? null : found
    } catch {
      return null
    }
  }
  if (!calculated({ input_tokens: 1, output_tokens: 1, cached_tokens: 0 })) return null
  return (usage) => nanoOf(calculated(usage)?.total_price ?? 0)
}
