/** Lists come in pages: one at a time, or one after another. */
import { answerOf, type Http, type Query } from './http.ts'

/** Iterating it gives this page and then those after it, each asked for when it is wanted. */
export interface Page<Item> extends AsyncIterable<Page<Item>> {
  items: Item[]
  /** Of all pages; absent when a text was asked for. */
  total?: number
  /** The cursor of the next page; absent on the last. */
  next?: string
}

export const pageOf = async <Item>(
  http: Http,
  path: string,
  query: Query,
  signal: AbortSignal | undefined,
): Promise<Page<Item>> => {
  const response = await http.request(path, { query, signal })
  const total = response.headers.get('X-Total-Count')
  const next = nextCursor(response)
  const page: Page<Item> = {
    items: await answerOf<Item[]>(response),
    ...(total !== null && { total: Number(total) }),
    ...(next !== undefined && { next }),
    async *[Symbol.asyncIterator]() {
      for (let each = page; ; ) {
        yield each
        if (each.next === undefined) return
        each = await pageOf(http, path, { ...query, cursor: each.next }, signal)
      }
    },
  }
  return page
}

/** From `Link: <…?cursor=…>; rel="next"`. */
export const nextCursor = (response: Response): string | undefined => {
  const link = /<([^>]*)>;\s*rel="next"/.exec(response.headers.get('Link') ?? '')?.[1]
  if (link === undefined) return undefined
  return new URL(link, 'http://localhost').searchParams.get('cursor') ?? undefined
}
