#!/usr/bin/env node
/** The command line: `run`, `config`, `doctor`, and what deploy.sh needs of the background service. */
import { messageOf } from '../errors.ts'
import { showConfig } from './config-command.ts'
import { doctor } from './doctor.ts'
import { run } from './run.ts'
import { start } from './start.ts'
import { logs, status, stop } from './stop.ts'

const commands: Record<string, (args: string[]) => number | Promise<number>> = {
  run,
  config: showConfig,
  start,
  stop,
  status,
  doctor,
  logs,
}

// Whoever reads our output may stop early (`| head`): there is nobody left to tell.
process.stdout.on('error', () => process.exit(0))

const USAGE = `usage: alex ${Object.keys(commands).join('|')} …\n`

const [name = '', ...args] = process.argv.slice(2)
const command = commands[name]
if (name === '--help') {
  process.stdout.write(USAGE)
} else if (command === undefined) {
  process.stderr.write(USAGE)
  process.exitCode = 2
} else {
  try {
    process.exitCode = await command(args)
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`)
    process.exitCode = 1
  }
}
