/** What is longer nobody reads, not even a model that looks for an answer in it. */
const MAX_CHARS = 200_000

/** The beginning of a page that is very long, and a word of it. */
export const clipped = (text: string): string =>
  text.length <= MAX_CHARS
    ? text
    : `${text.slice(0, MAX_CHARS)}\n[The page goes on; its first ${MAX_CHARS} characters were read.]`
