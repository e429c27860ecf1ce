#!/usr/bin/env node
/** The command line `alex`: tasks over the API, and the service on this machine. */
import { CommanderError } from 'commander'
import { messageOf } from '../errors.ts'
import { complain, EXIT, UsageError } from './exit.ts'
import { printable } from './output.ts'
import { createProgram } from './program.ts'

// Whoever reads our output may stop early (`| head`): there is nobody left to tell.
process.stdout.on('error', () => process.exit(0))

try {
  await createProgram().parseAsync()
} catch (error) {
  // The parser has said what is wrong.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.refused
  else if (error instanceof UsageError) process.exitCode = complain(error.message, EXIT.refused)
  else process.exitCode = complain(printable(messageOf(error)), EXIT.failed)
}
