/** `sessions`: list, show, fork, delete. */
import type { Command } from 'commander'
import type { Session } from '../client/client.ts'
import { EXIT, exitWith } from './exit.ts'
import { money, oneLine, paint, printable, writeJson, writeLines, writeTable } from './output.ts'
import { type Remote, type RemoteOptions, withRemote, withRemoteOptions } from './remote.ts'
import { itemsOf, limitOption } from './tasks.ts'

interface ListOptions extends RemoteOptions {
  search?: string
  limit: number
  all?: boolean
}

export const addSessions = (program: Command): void => {
  const sessions = program
    .command('sessions')
    .description('list, show, fork and delete sessions')
    .addHelpText(
      'after',
      `
Examples:
  alex sessions
  alex sessions show demo
  alex sessions fork demo
  alex sessions delete demo`,
    )

  withRemoteOptions(sessions.command('list', { isDefault: true }))
    .description('latest activity first')
    .option('--search <text>', 'only those whose title has this in it')
    .addOption(limitOption())
    .option('--all', 'every one, however many')
    .addHelpText('after', '\nExample:\n  alex sessions list --search changelog --json')
    .action(exitWith((options: ListOptions) => withRemote(options, (remote) => list(remote, options))))

  withRemoteOptions(sessions.command('show'))
    .description('its conversation')
    .argument('<session>', 'its id')
    .addHelpText('after', '\nExample:\n  alex sessions show demo')
    .action(
      exitWith((id: string, options: RemoteOptions) =>
        withRemote(options, async ({ client }) => {
          const session = await wholeSession(client, id)
          if (options.json) writeJson(session)
          else writeLines(describeSession(session))
          return EXIT.done
        }),
      ),
    )

  withRemoteOptions(sessions.command('fork'))
    .description('a new session that goes on from the transcript of this one; prints its id')
    .argument('<session>', 'its id')
    .addHelpText(
      'after',
      '\nExample:\n  alex run "Try it the other way" --session "$(alex sessions fork demo)"',
    )
    .action(
      exitWith((id: string, options: RemoteOptions) =>
        withRemote(options, async ({ client }) => {
          const forked = await client.fork(id)
          if (options.json) writeJson(forked)
          else writeLines([forked.session_id])
          return EXIT.done
        }),
      ),
    )

  withRemoteOptions(sessions.command('delete'))
    .description('delete it for good, and cancel its unfinished tasks')
    .argument('<session>', 'its id')
    .addHelpText('after', '\nExample:\n  alex sessions delete demo')
    .action(
      exitWith((id: string, options: RemoteOptions) =>
        withRemote(options, async ({ client }) => {
          const state = await client.deleteSession(id)
          if (options.json) writeJson({ session_id: id, state })
          else
            writeLines([state === 'purged' ? `deleted ${id}` : `${id} goes as soon as its task has let go`])
          return EXIT.done
        }),
      ),
    )
}

const list = async ({ client }: Remote, options: ListOptions): Promise<number> => {
  const page = await client.sessions({
    limit: options.all ? 1000 : options.limit,
    ...(options.search !== undefined && { q: options.search }),
  })
  const sessions = await itemsOf(page, options.all)
  if (options.json) writeJson(sessions)
  else {
    const head = ['SESSION', 'TASKS', 'UPDATED', 'COST', 'TITLE']
    const rows = sessions.map((each) => [
      each.session_id,
      String(each.task_count),
      each.updated_at.slice(0, 19).replace('T', ' '),
      money(each.cost_usd),
      each.title,
    ])
    writeTable(head, rows)
    if (page.next !== undefined && !options.all)
      process.stderr.write(`the first ${sessions.length}; --all shows every one\n`)
  }
  return EXIT.done
}

const wholeSession = async (client: Remote['client'], id: string): Promise<Session> => {
  const { next, ...session } = await client.session(id)
  let cursor = next
  while (cursor !== undefined) {
    const more = await client.session(id, { cursor })
    session.messages.push(...more.messages)
    cursor = more.next
  }
  return session
}

const SHOWN_OUTPUT = 200

const describeSession = (session: Session): string[] => [
  `${paint('bold', session.session_id)}  ${oneLine(session.title)}`,
  ...session.messages.flatMap(({ role, content, tool_name, tool_calls = [] }) => {
    if (role === 'tool')
      return [paint('dim', `  ${printable(tool_name ?? 'tool')}: ${oneLine(content, SHOWN_OUTPUT)}`)]
    const asked = tool_calls.map((call) => paint('dim', `  → ${printable(call.tool_name)}`))
    const said = content === '' ? [] : ['', `${paint('cyan', `${role}:`)} ${printable(content)}`]
    return [...said, ...asked]
  }),
  ...session.todos.map(({ content, status }) => `[${status}] ${oneLine(content)}`),
]
