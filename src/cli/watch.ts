/** `watch`: a task's events from its first, or a session's, as they come. */
import { type Command, Option } from 'commander'
import { exitWith, UsageError } from './exit.ts'
import { type FollowOptions, followSession, followTask } from './follow.ts'
import { type RemoteOptions, withRemote, withRemoteOptions } from './remote.ts'

interface WatchOptions extends RemoteOptions, FollowOptions {
  session?: string
  replay?: 'all' | 'none'
}

export const addWatch = (program: Command): void => {
  withRemoteOptions(program.command('watch'))
    .description('follow a task to its end, or a session until Ctrl-C')
    .argument('[task]', 'its id')
    .option('-s, --session <id>', 'a session in place of a task')
    .addOption(
      new Option('--replay <what>', "of the session's past; else the last 1000 events").choices([
        'all',
        'none',
      ]),
    )
    .option('-q, --quiet', 'say nothing but answers')
    .addHelpText(
      'after',
      `
Shows the task from its first event, as alex run does, and leaves as it does; Ctrl-C ends the watching alone.

Examples:
  alex watch task-…
  alex watch --session demo --replay all
  alex watch task-… --json | jq .event_type`,
    )
    .action(
      exitWith(async (task: string | undefined, options: WatchOptions) => {
        const { session } = options
        if (task !== undefined && session === undefined)
          return withRemote(options, async (remote) => {
            // Says at once that there is no such task, or no server.
            await remote.client.task(task)
            return followTask(remote, task, { ...options, owned: false })
          })
        if (task !== undefined || session === undefined)
          throw new UsageError('watch takes the id of a task, or --session ID')
        return withRemote(options, async (remote) => {
          // Says at once that there is no server.
          await remote.client.health()
          return followSession(remote, session, options)
        })
      }),
    )
}
