/** Pages for a while: bounded in time, number and size, the least recently used goes first. */
export interface Page {
  /** After redirects. */
  url: string
  title: string
  text: string
}

export interface PageCache {
  get(key: string): { page: Page; ageMs: number } | undefined
  put(key: string, page: Page): void
}

interface Options {
  maxAgeMs?: number
  maxEntries?: number
  /** Of all keys and texts together. */
  maxChars?: number
  now?: () => number
}

export const createPageCache = ({
  maxAgeMs = 15 * 60_000,
  maxEntries = 100,
  maxChars = 10_000_000,
  now = () => performance.now(),
}: Options = {}): PageCache => {
  const entries = new Map<string, { page: Page; at: number; chars: number }>()
  let total = 0

  const drop = (key: string): void => {
    total -= entries.get(key)?.chars ?? 0
    entries.delete(key)
  }

  return {
    get(key) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      const ageMs = now() - entry.at
      if (ageMs >= maxAgeMs) {
        drop(key)
        return undefined
      }
      entries.delete(key)
      entries.set(key, entry)
      return { page: entry.page, ageMs }
    },
    put(key, page) {
      drop(key)
      const chars = key.length + page.url.length + page.title.length + page.text.length
      if (chars > maxChars) return
      entries.set(key, { page, at: now(), chars })
      total += chars
      for (const oldest of entries.keys()) {
        if (entries.size <= maxEntries && total <= maxChars) return
        drop(oldest)
      }
    },
  }
}
