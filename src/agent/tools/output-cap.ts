/** The one place that cuts long output: head and tail stay, the length of what was cut is named. */
import { stripVTControlCharacters } from 'node:util'

/** Characters of one tool result that the model may see. */
export const MODEL_CHARS = 16_000

/** Room kept for the line that names the cut. */
const NOTICE_CHARS = 60

export interface Capped {
  text: string
  truncated: boolean
}

/** Collects a stream of any length in bounded memory; `text` is at most `limit` characters long. */
export const createHeadTail = (limit: number) => {
  const half = Math.max(1, Math.floor((limit - NOTICE_CHARS) / 2))
  let start = ''
  let tail = ''
  let length = 0

  return {
    push(text: string): void {
      length += text.length
      const room = limit - start.length
      start += text.slice(0, room)
      if (text.length <= room) return
      tail += text.slice(Math.max(room, text.length - half))
      // Slicing at twice the size keeps the cost per chunk constant.
      if (tail.length > 2 * half) tail = tail.slice(-half)
    },
    result(): Capped {
      if (length <= limit) return { text: start, truncated: false }
      const head = withoutLoneHigh(start.slice(0, half))
      const end = withoutLoneLow((start + tail).slice(-half))
      const cut = length - head.length - end.length
      return { text: `${head}\n[… ${cut} characters cut here …]\n${end}`, truncated: true }
    },
  }
}

export const capText = (text: string, limit = MODEL_CHARS): Capped => {
  const collected = createHeadTail(limit)
  collected.push(text)
  return collected.result()
}

/** Terminal colours and control characters say nothing to a model; tabs and newlines stay. */
export const plainText = (text: string): string =>
  stripVTControlCharacters(text)
    .replaceAll('\r\n', '\n')
    .replaceAll(/[^\P{Cc}\t\n]/gu, '')

const withoutLoneHigh = (text: string): string => text.replace(/[\uD800-\uDBFF]$/, '')
const withoutLoneLow = (text: string): string => text.replace(/^[\uDC00-\uDFFF]/, '')
