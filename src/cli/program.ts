/** All commands of `alex`, with their help. */
import { Command } from 'commander'
import { readVersion } from '../version.ts'
import { addConfig } from './config-command.ts'
import { addCosts } from './costs.ts'
import { EXIT_HELP } from './exit.ts'
import { addFleet } from './fleet.ts'
import { addPrograms } from './programs.ts'
import { addRun } from './run.ts'
import { addService } from './service.ts'
import { addSessions } from './sessions.ts'
import { addTasks } from './tasks.ts'
import { addWatch } from './watch.ts'

/** Parsing throws `CommanderError` where the parser would end the process. */
export const createProgram = (): Command => {
  const program = new Command('alex')
    .description('Runs LLM-agent tasks as durable workflows.')
    .version(readVersion())
    .exitOverride()
    .showHelpAfterError('(--help shows how to use it)')
    .addHelpText(
      'after',
      `
Examples:
  alex run "Find out why the tests fail and repair them"
  alex run - < task.md > answer.md
  alex watch task-…
  ALEX_URL=http://alex.example:8080 ALEX_TOKEN=… alex tasks --status running

Colours follow NO_COLOR and FORCE_COLOR. In a pipe only answers go to stdout, all else to stderr.
${EXIT_HELP}`,
    )

  program.commandsGroup('Tasks:')
  addRun(program)
  addWatch(program)
  addTasks(program)
  program.commandsGroup('Sessions, costs, fleet:')
  addSessions(program)
  addCosts(program)
  addFleet(program)
  program.commandsGroup('The service on this machine:')
  addPrograms(program)
  addService(program)
  addConfig(program)
  return program
}
