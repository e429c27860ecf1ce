/** Texts for a terminal or a pipe. What comes from models, tools and other people is never trusted with either. */
import { stripVTControlCharacters, styleText } from 'node:util'

export type Style = Parameters<typeof styleText>[0]

/** Colours where the stream shows them, as NO_COLOR and FORCE_COLOR have it. */
export const paint = (style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string =>
  styleText(style, text, { stream })

/** Model and tool text must not drive the terminal. */
export const printable = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- control characters are what is taken out
  stripVTControlCharacters(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '')

export const oneLine = (text: string, width = 100): string => {
  const flat = printable(text.replace(/\s+/g, ' ')).trim()
  return flat.length > width ? `${flat.slice(0, width - 1)}…` : flat
}

/** JSON escapes no DEL and no C1 controls, which some terminals obey. */
export const jsonText = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(
    /[\u007f-\u009f]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/** The one document of a command with `--json`. */
export const writeJson = (value: unknown): void => void process.stdout.write(`${jsonText(value, 2)}\n`)

export const writeLines = (lines: readonly string[]): void => {
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`)
}

/** Columns; the last one may hold any text. */
export const writeTable = (head: readonly string[], rows: readonly (readonly string[])[]): void => {
  const clean = rows.map((row) => row.map((cell) => oneLine(cell)))
  const widths = head.map((name, i) => Math.max(name.length, ...clean.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  writeLines([paint('bold', line(head)), ...clean.map(line)])
}

export const duration = (ms: number): string => {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`
}

export const money = (usd: number | undefined): string => (usd === undefined ? '' : `$${usd.toFixed(4)}`)
