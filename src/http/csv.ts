/** Comma-separated values (RFC 4180) that a spreadsheet shows as what they are. */

export interface Column<Row> {
  name: string
  /** Absent: an empty cell. */
  of: (row: Row) => string | number | undefined
}

export const csvOf = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string =>
  [columns.map(({ name }) => cell(name)), ...rows.map((row) => columns.map(({ of }) => cell(of(row) ?? '')))]
    .map((cells) => `${cells.join(',')}\r\n`)
    .join('')

const cell = (value: string | number): string => {
  if (typeof value === 'number') return plain(value)
  // A text that begins like a formula would be run as one by whoever opens the file.
  const text = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Without an exponent; nine digits are a nano-USD. */
const plain = (value: number): string =>
  Number.isInteger(value) ? String(value) : value.toFixed(9).replace(/0+$/, '')
