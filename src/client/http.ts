/** Requests as the API takes them: JSON, the token, errors as `AlexError`, repeated while that is safe. */
import { AlexError, errorOf, unreachable } from './error.ts'
import { backOff, pause } from './retry.ts'

export interface ClientOptions {
  /** Where the API is, as in `http://localhost:8080`; empty in a page that the API itself serves. */
  baseUrl: string
  /** One of the server's `api_tokens`; a function is asked anew for each request. */
  token?: string | (() => string | undefined) | undefined
  fetch?: typeof fetch | undefined
  /** How often a request that may be repeated is sent again when nobody answers, or 429 or 5xx. Default 3. */
  retries?: number | undefined
}

export interface Ask {
  method?: 'GET' | 'POST' | 'DELETE'
  query?: Query | undefined
  body?: object | undefined
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
  /** Statuses besides 2xx that are no failure. */
  alsoFine?: number[]
  /** Default: as the client has it. */
  retries?: number
}

export type Query = Record<string, string | number | readonly string[] | undefined>

export type Http = ReturnType<typeof createHttp>

export const createHttp = (options: ClientOptions) => {
  const { token, retries: usualRetries = 3 } = options
  const baseUrl = options.baseUrl.replace(/\/+$/, '')
  // Browsers refuse a fetch that is called as a method of anything else.
  const send: typeof fetch = (...args) => (options.fetch ?? fetch)(...args)

  /** One request, one answer; throws `AlexError`, or the signal's reason. */
  const once = async (path: string, ask: Ask = {}): Promise<Response> => {
    const bearer = typeof token === 'function' ? token() : token
    const init: RequestInit = {
      method: ask.method ?? 'GET',
      headers: {
        Accept: 'application/json',
        ...(bearer && { Authorization: `Bearer ${bearer}` }),
        ...(ask.body && { 'Content-Type': 'application/json' }),
        ...ask.headers,
      },
      ...(ask.body && { body: JSON.stringify(ask.body) }),
      ...(ask.signal && { signal: ask.signal }),
    }
    const response = await send(baseUrl + path + queryText(ask.query), init).catch((error: unknown) => {
      ask.signal?.throwIfAborted()
      throw unreachable(baseUrl, error)
    })
    if (response.ok || ask.alsoFine?.includes(response.status)) return response
    throw await errorOf(response)
  }

  /** Sends again what failed for now. Only for requests that do the same when they are done twice. */
  const request = async (path: string, ask: Ask = {}): Promise<Response> => {
    const retries = ask.retries ?? usualRetries
    for (let failures = 1; ; failures += 1) {
      try {
        return await once(path, ask)
      } catch (error) {
        if (!(error instanceof AlexError) || !error.isTransient || failures > retries) throw error
        await pause(backOff(failures, error), ask.signal)
      }
    }
  }

  return {
    once,
    request,
    /** The answer's body, which the server's schemas vouch for. */
    json: async <Answer>(path: string, ask?: Ask): Promise<Answer> => answerOf(await request(path, ask)),
  }
}

export const answerOf = async <Answer>(response: Response): Promise<Answer> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checking again would bring zod into every page
  (await response.json()) as Answer

const queryText = (query: Query = {}): string => {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    for (const each of [value ?? []].flat()) params.append(name, String(each))
  }
  return params.size === 0 ? '' : `?${params.toString()}`
}
