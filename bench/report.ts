/** What a benchmark found: figures beside their bars, as a table and as JSON. */

export interface Figure {
  what: string
  value: number
  unit: string
  /** The bar: `value` must not be above, or not below. Absent: told, not judged. */
  atMost?: number
  atLeast?: number
  /** What it stands beside: a yardstick's own figure, a count. */
  beside?: string
}

export interface Suite {
  name: string
  /** One line. */
  about: string
  run: (say: (line: string) => void) => Promise<Figure[]>
}

export const isMet = ({ value, atMost, atLeast }: Figure): boolean =>
  !Number.isNaN(value) &&
  (atMost === undefined || value <= atMost) &&
  (atLeast === undefined || value >= atLeast)

const short = (value: number) =>
  Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2)

const barOf = (figure: Figure): string => {
  if (figure.atMost !== undefined) return `≤ ${figure.atMost}`
  return figure.atLeast === undefined ? '' : `≥ ${figure.atLeast}`
}

/** As Markdown, so that it can be quoted as it is. */
export const table = (figures: readonly Figure[]): string => {
  const rows = figures.map((figure) => {
    const bar = barOf(figure)
    const verdict = bar === '' ? '' : isMet(figure) ? 'yes' : 'NO'
    return [figure.what, `${short(figure.value)} ${figure.unit}`.trim(), bar, verdict, figure.beside ?? '']
  })
  const all = [['what', 'measured', 'bar', 'met', 'beside'], ...rows]
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(3, ...all.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [head = [], ...body] = all
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n')
}
