/** `config`: every value and where it came from. */
import type { Command } from 'commander'
import { configTable, describeConfig } from '../config/describe.ts'
import { loadConfigOrExit } from '../config.ts'
import { complain, EXIT, exitWith } from './exit.ts'
import { writeJson, writeLines } from './output.ts'

interface ConfigOptions {
  get?: string
  json?: boolean
  markdown?: boolean
}

export const addConfig = (program: Command): void => {
  program
    .command('config')
    .description('every setting as it is here, and where it came from')
    .option('--get <key>', 'only the value of this one')
    .option('--json', 'print JSON')
    .option('--markdown', 'the table of docs/configuration.md')
    .addHelpText(
      'after',
      '\nSecrets show their ends alone.\n\nExamples:\n  alex config\n  alex config --get port',
    )
    .action(exitWith(showConfig))
}

const showConfig = ({ get, json, markdown }: ConfigOptions): number => {
  if (markdown) {
    writeLines([configTable()])
    return EXIT.done
  }
  const loaded = loadConfigOrExit({ argv: [] })
  const rows = describeConfig(loaded)
  if (get !== undefined) {
    const row = rows.find(({ key }) => key === get)
    if (row === undefined) return complain(`there is no setting ${get}`, EXIT.refused)
    if (json) writeJson(row)
    else process.stdout.write(`${row.value}\n`)
    return EXIT.done
  }
  for (const warning of loaded.warnings) process.stderr.write(`${warning}\n`)
  if (json) writeJson(rows)
  else {
    const width = Math.max(...rows.map(({ key }) => key.length))
    writeLines(
      rows.map(({ key, value, source }) => `${key.padEnd(width)}  ${value || '(not set)'}  — ${source}`),
    )
  }
  return EXIT.done
}
