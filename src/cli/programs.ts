/** `serve` and `worker`: the programs of the service, in the foreground. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Command } from 'commander'
import { EXTENSION, ROOT } from './instance.ts'

const SETTINGS = 'any setting, as in --port 9000 (alex config lists them)'

export const addPrograms = (program: Command): void => {
  program
    .command('serve')
    .description('API, worker and, without REDIS_URL, a Redis of its own, in the foreground')
    .argument('[settings...]', SETTINGS)
    .option('--api-only', 'no worker and no Redis: needs REDIS_URL')
    .allowUnknownOption()
    .addHelpText(
      'after',
      `
Ctrl-C and SIGTERM stop it; tasks that run go on when it is back.

Examples:
  alex serve
  alex serve --port 9000
  REDIS_URL=redis://redis:6379 alex serve --api-only`,
    )
    .action((settings: string[], { apiOnly }: { apiOnly?: boolean }) =>
      become(apiOnly ? 'src/http/main' : 'src/main', settings),
    )

  program
    .command('worker')
    .description('one more worker, in the foreground; needs REDIS_URL')
    .argument('[settings...]', SETTINGS)
    .allowUnknownOption()
    .addHelpText('after', '\nExample:\n  REDIS_URL=redis://redis:6379 alex worker --worker-concurrency 4')
    .action((settings: string[]) => become('workers/main', settings))
}

/** In this very process, so that signals and exit codes are the program's own. It reads its arguments itself. */
const become = async (program: string, settings: string[]): Promise<void> => {
  const file = join(ROOT, program + EXTENSION)
  process.stdout.removeAllListeners('error')
  process.argv = [process.execPath, file, ...settings]
  await import(pathToFileURL(file).href)
}
