/**
 * `start`, `stop`, `status`, `logs`: the service of this checkout in the background; `doctor`. What they need is loaded
 * when it is needed: the commands that only ask the API begin sooner without.
 */
import { type Command, Option } from 'commander'
import { exitWith } from './exit.ts'
import { LOGS, type LogsOptions, logs } from './logs.ts'
import type { ServiceOptions } from './stop.ts'

const SETTINGS = 'any setting, as in --port 9000 (alex config lists them)'

export const addService = (program: Command): void => {
  program
    .command('start')
    .description('start it in the background, once')
    .argument('[settings...]', SETTINGS)
    .addOption(new Option('--brief', 'say nothing of a service that runs already').hideHelp())
    .option('--json', 'print JSON')
    .allowUnknownOption()
    .addHelpText('after', '\nExamples:\n  alex start\n  alex start --port 9000')
    .action(
      exitWith((settings: string[], options: ServiceOptions & { brief?: boolean }) =>
        import('./start.ts').then(({ start }) => start(settings, options)),
      ),
    )

  program
    .command('stop')
    .description('stop what start started')
    .argument('[settings...]', SETTINGS)
    .option('--json', 'print JSON')
    .allowUnknownOption()
    .addHelpText('after', '\nExample:\n  alex stop')
    .action(
      exitWith((settings: string[], options: ServiceOptions) =>
        import('./stop.ts').then(({ stop }) => stop(settings, options)),
      ),
    )

  program
    .command('status')
    .description('what start started, and how it is')
    .argument('[settings...]', SETTINGS)
    .option('--json', 'print JSON')
    .allowUnknownOption()
    .addHelpText('after', '\nExit code 3 when it does not run.\n\nExample:\n  alex status')
    .action(
      exitWith((settings: string[], options: ServiceOptions) =>
        import('./stop.ts').then(({ status }) => status(settings, options)),
      ),
    )

  program
    .command('logs')
    .description('the last lines of its logs: JSON, an object a line')
    .addArgument(program.createArgument('[part]', 'only of this one').choices(LOGS))
    .option('-f, --follow', 'and what comes')
    .addHelpText('after', '\nExamples:\n  alex logs worker -f\n  alex logs api | grep -F "[DI]"')
    .action(exitWith((part: string | undefined, options: LogsOptions) => logs(part, options)))

  program
    .command('doctor')
    .description('what is missing or set wrongly here, and what to do')
    .option('--json', 'print JSON: {ok, findings}')
    .addHelpText('after', '\nExit code 1 when there is more than hints.\n\nExample:\n  alex doctor')
    .action(
      exitWith((options: ServiceOptions) => import('./doctor.ts').then(({ doctor }) => doctor(options))),
    )
}
