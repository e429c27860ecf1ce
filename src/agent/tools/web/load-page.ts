/** From a URL to a readable page, kept for 15 minutes. Imported by the first call, so that no worker starts slower. */
import { plainText } from '../output-cap.ts'
import type { ToolContext } from '../tool.ts'
import { clipped } from './clipped.ts'
import { FetchFailed, type FetchFailure } from './fetch-failed.ts'
import { fetchPage } from './fetch-page.ts'
import { createPageCache, type Page } from './page-cache.ts'
import { createMakeReadable, type ReadableLimits } from './readable.ts'
import type { ResolveOptions } from './resolve-host.ts'
import { checkUrl } from './url-policy.ts'

export interface LoadOptions extends ResolveOptions {
  /** Milliseconds for the whole way to a page's bytes. */
  fetchTimeoutMs?: number
  readable?: ReadableLimits
}

export type Loaded =
  /** `ageMs`: of one that was kept. */
  | { ok: true; page: Page; ageMs?: number }
  /** `message` is meant for the model. */
  | { ok: false; kind: FetchFailure; message: string }

export type LoadPage = (url: string, context: ToolContext) => Promise<Loaded>

/** Rejects when the context's signal aborted, and with `LeaseLost`. */
export const createLoadPage = ({
  fetchTimeoutMs = 30_000,
  readable = {},
  ...reach
}: LoadOptions): LoadPage => {
  const cache = createPageCache()
  const makeReadable = createMakeReadable(readable)

  const load = async (url: string, context: ToolContext): Promise<Page> => {
    const timeout = AbortSignal.timeout(fetchTimeoutMs)
    const signal = AbortSignal.any([context.signal, timeout])
    const fetched = await fetchPage(url, signal, reach).catch((error: unknown) => {
      if (!timeout.aborted || context.signal.aborted) throw error
      throw new FetchFailed('timeout', `${url} was not there within ${fetchTimeoutMs / 1000} s`)
    })
    if (fetched.kind === 'text')
      return { url: fetched.url, title: '', text: clipped(plainText(fetched.text)) }
    const { title, markdown } = await makeReadable({ html: fetched.text, url: fetched.url }, context)
    return { url: fetched.url, title: plainText(title), text: plainText(markdown) }
  }

  return async (text, context) => {
    try {
      const url = checkUrl(text).url.href
      const kept = cache.get(url)
      if (kept) return { ok: true, ...kept }
      const page = await load(url, context)
      cache.put(url, page)
      return { ok: true, page }
    } catch (error) {
      if (!(error instanceof FetchFailed)) throw error
      return { ok: false, kind: error.kind, message: plainText(error.message) }
    }
  }
}
