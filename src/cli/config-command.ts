/** `config`: every value and where it came from. */
import { parseArgs } from 'node:util'
import { configTable, describeConfig } from '../config/describe.ts'
import { loadConfigOrExit } from '../config.ts'

/** `--get KEY` prints that value alone; `--markdown` the table of docs/configuration.md. */
export const showConfig = (args: string[]): number => {
  const { values } = parseArgs({ args, options: { get: { type: 'string' }, markdown: { type: 'boolean' } } })
  if (values.markdown) {
    process.stdout.write(`${configTable()}\n`)
    return 0
  }
  const loaded = loadConfigOrExit({ argv: [] })
  const rows = describeConfig(loaded)
  if (values.get !== undefined) {
    const row = rows.find(({ key }) => key === values.get)
    process.stdout.write(row === undefined ? '' : `${row.value}\n`)
    if (row === undefined) process.stderr.write(`there is no setting ${values.get}\n`)
    return row === undefined ? 2 : 0
  }
  for (const warning of loaded.warnings) process.stderr.write(`${warning}\n`)
  const width = Math.max(...rows.map(({ key }) => key.length))
  for (const { key, value, source } of rows)
    process.stdout.write(`${key.padEnd(width)}  ${value || '(not set)'}  — ${source}\n`)
  return 0
}
