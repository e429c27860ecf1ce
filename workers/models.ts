/** The models this worker asks, what they cost, and how much they read. */
import { createWindowOf } from '../src/agent/context-window.ts'
import type { Model } from '../src/agent/model.ts'
import { createOfflineModel } from '../src/agent/offline-model.ts'
import type { OpenAiOptions } from '../src/agent/openai-model.ts'
import { createPrices } from '../src/agent/prices.ts'
import { createCalibration } from '../src/agent/tokens.ts'
import type { Config } from '../src/config.ts'
import type { Provider } from './trace-task.ts'

export const createModels = (config: Config) => {
  const offline = config.api_key === undefined && config.base_url === undefined
  const { ask, load } = offline
    ? { ask: createOfflineModel(), load: async () => {} }
    : lateOpenAiModel({
        ...(config.api_key === undefined ? {} : { apiKey: config.api_key }),
        ...(config.base_url === undefined ? {} : { baseUrl: config.base_url }),
        ...(config.temperature === undefined ? {} : { temperature: config.temperature }),
      })
  return {
    /** Without a key and a base URL there is only the offline model. */
    offline,
    provider: providerOf(config),
    model: ask,
    /** Loads what the first call would otherwise have to wait for. */
    load,
    // The offline model reads all there is.
    windowOf: offline
      ? async () => Number.POSITIVE_INFINITY
      : createWindowOf({
          ...(config.context_window === undefined ? {} : { configured: config.context_window }),
          ...(config.base_url === undefined ? {} : { baseUrl: config.base_url }),
        }),
    calibration: createCalibration(),
    prices: createPrices({ prices: config.prices, baseUrl: config.base_url, offline }),
    /** A task's model and, after it, those to fall back on. */
    namesFor: (model: string): readonly [string, ...string[]] =>
      offline ? ['offline'] : [model, ...config.fallback_models.filter((name) => name !== model)],
  }
}

/** The library is a third of all modules of a worker, so its start does not wait for it. */
const lateOpenAiModel = (options: OpenAiOptions) => {
  let loading: Promise<Model> | undefined
  const loaded = () => {
    loading ??= import('../src/agent/openai-model.ts').then(({ createOpenAiModel }) =>
      createOpenAiModel(options),
    )
    return loading
  }
  return {
    ask: (async (request) => (await loaded())(request)) satisfies Model,
    load: async () => void (await loaded()),
  }
}

/** Whoever it is, it speaks OpenAI's language. */
const providerOf = ({ api_key, base_url }: Config): Provider => {
  if (base_url === undefined)
    return api_key === undefined ? { name: 'offline' } : { name: 'openai', address: 'api.openai.com' }
  if (!URL.canParse(base_url)) return { name: 'openai' }
  const { hostname, port } = new URL(base_url)
  return { name: 'openai', address: hostname, ...(port !== '' && { port: Number(port) }) }
}
