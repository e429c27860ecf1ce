/** Masks secrets in text: the values we were configured with, and what looks like a key wherever it came from. */

const MASK = '[redacted]'

/** Shorter values are words that text is full of. */
const SHORTEST = 6

/**
 * Shapes of well-known keys. Each begins with a literal and every repetition that can fail is bounded, so that
 * masking stays linear in the text whatever the text is.
 */
const KEY_SHAPES: readonly (readonly [RegExp, string])[] = [
  // OpenAI and its like; class names such as sk-folding-cube have neither capitals, digits nor a long run.
  [/(?<![A-Za-z0-9])sk-(?=[\w-]{0,32}[A-Z0-9]|\w{16})[\w-]{16,}/g, MASK],
  [/(?<![A-Za-z0-9])tvly-[\w-]{16,}/g, MASK],
  [/(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,})/g, MASK],
  [/(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])/g, MASK],
  [/(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{10,}/g, MASK],
  [
    /-----BEGIN [A-Z ]{0,24}PRIVATE KEY-----(?=(?:\s|\\[nr]){0,4}[\w+/=:-]{16})(?:[A-Za-z0-9+/=\s\\,:]|-(?!-))*(?:-----END [A-Z ]{0,24}PRIVATE KEY-----)?/g,
    MASK,
  ],
]

const SHAPES: readonly (readonly [RegExp, string])[] = [
  ...KEY_SHAPES,
  [/\b([Bb]earer[ \t]{1,8})(?=[\w.~+/=-]{0,15}\d|[\w.~+/=-]{16})[\w.~+/=-]{8,}/g, `$1${MASK}`],
  [/:\/\/([^\s/:@"'<>]{0,128}):[^\s/"'<>]{1,256}@/g, `://$1:${MASK}@`],
]

/** Begins every shape; most text has none of it, and is looked at once. */
const BEGINNINGS = /sk-|tvly-|gh[pousr]_|github_pat_|AKIA|ASIA|xox|-----BEGIN|[Bb]earer|:\/\//

/** True for text that holds a well-known kind of key, by its shape. */
export const looksLikeKey = (text: string): boolean => KEY_SHAPES.some(([shape]) => text.search(shape) >= 0)

/** `secretValues` are masked as they stand, as JSON escapes them and as a URL encodes them. */
export const createRedactor = (secretValues: readonly string[]): ((text: string) => string) => {
  const known = knownValues(secretValues)
  return (text) => {
    if (text.length < SHORTEST) return text
    const masked = known === null ? text : text.replace(known, MASK)
    if (!BEGINNINGS.test(masked)) return masked
    return SHAPES.reduce((rest, [shape, mask]) => rest.replace(shape, mask), masked)
  }
}

const knownValues = (values: readonly string[]): RegExp | null => {
  const forms = values
    .filter((value) => value.length >= SHORTEST)
    .flatMap((value) => [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)])
  if (forms.length === 0) return null
  // The longest first, so that a value which begins another leaves no tail behind.
  const longestFirst = [...new Set(forms)].toSorted((a, b) => b.length - a.length)
  return new RegExp(longestFirst.map(literal).join('|'), 'g')
}

const literal = (form: string): string => form.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)
