/** `tasks`, `show`, `cancel`. */
import { type Command, Option } from 'commander'
import type { CancelTasks, Page, Task, TaskSummary } from '../client/client.ts'
import { TASK_STATUSES, type TaskStatus } from '../schemas/task.ts'
import { EXIT, EXIT_HELP, exitWith, UsageError } from './exit.ts'
import { duration, money, oneLine, paint, printable, writeJson, writeLines, writeTable } from './output.ts'
import { type Remote, type RemoteOptions, withRemote, withRemoteOptions } from './remote.ts'

export const addTasks = (program: Command): void => {
  withRemoteOptions(program.command('tasks'))
    .description('list tasks: unfinished ones first, newest first')
    .addOption(statusOption())
    .option('-s, --session <id>', 'only of this session')
    .option('--search <text>', 'only those whose text has this in it')
    .addOption(limitOption())
    .option('--all', 'every one, however many')
    .option('--stats', 'only how many there are of each status')
    .addHelpText(
      'after',
      `
Examples:
  alex tasks
  alex tasks --status running waiting
  alex tasks --search changelog --json | jq -r .[].task_id`,
    )
    .action(exitWith((options: ListOptions) => withRemote(options, (remote) => list(remote, options))))

  withRemoteOptions(program.command('show'))
    .description('show a task and its answer')
    .argument('<task>', 'its id')
    .option('--wait', 'until it has ended; the exit code tells how')
    .addHelpText('after', `\nExamples:\n  alex show task-…\n  alex show task-… --wait --json\n${EXIT_HELP}`)
    .action(
      exitWith((id: string, options: RemoteOptions & { wait?: boolean }) =>
        withRemote(options, async ({ client }) => {
          const task = await (options.wait ? client.wait(id) : client.task(id))
          if (options.json) writeJson(task)
          else writeLines(describeTask(task))
          return options.wait ? outcome(task.status) : EXIT.done
        }),
      ),
    )

  withRemoteOptions(program.command('cancel'))
    .description('cancel tasks: one, many, or all of a session or status')
    .argument('[tasks...]', 'their ids')
    .option('-s, --session <id>', 'every unfinished one of this session')
    .addOption(statusOption(['pending', 'running', 'waiting']))
    .option('--reason <text>', 'shown as their message')
    .addHelpText(
      'after',
      `
Exit code 1 when one of them could not be cancelled, as it had ended already.

Examples:
  alex cancel task-…
  alex cancel --session demo --reason "not needed any more"
  alex cancel --status pending waiting`,
    )
    .action(
      exitWith((ids: string[], options: CancelOptions) => {
        const filter = filterOf(ids, options)
        return withRemote(options, (remote) => cancel(remote, filter, options))
      }),
    )
}

interface ListOptions extends RemoteOptions {
  status?: TaskStatus[]
  session?: string
  search?: string
  limit: number
  all?: boolean
  stats?: boolean
}

interface CancelOptions extends RemoteOptions {
  session?: string
  status?: NonNullable<CancelTasks['status']>
  reason?: string
}

/** Of a list's page. */
export const limitOption = (): Option =>
  new Option('--limit <n>', 'no more than so many (1 to 1000)').default(20).argParser((text) => {
    const limit = Number(text)
    if (Number.isInteger(limit) && limit >= 1 && limit <= 1000) return limit
    throw new UsageError(`--limit must be a whole number from 1 to 1000, not ${text}`)
  })

/** All items of all pages, or those of the first. */
export const itemsOf = async <Item>(page: Page<Item>, all = false): Promise<Item[]> => {
  if (!all) return page.items
  const items: Item[] = []
  for await (const each of page) items.push(...each.items)
  return items
}

const statusOption = (choices: readonly string[] = TASK_STATUSES) =>
  new Option('--status <status...>', 'only these').choices(choices)

const list = async ({ client }: Remote, options: ListOptions): Promise<number> => {
  if (options.stats) {
    const stats = await client.stats()
    if (options.json) writeJson(stats)
    else writeLines(Object.entries(stats).map(([status, count]) => `${status.padEnd(9)}  ${count}`))
    return EXIT.done
  }
  const page = await client.tasks({
    limit: options.all ? 1000 : options.limit,
    ...(options.status && { status: options.status }),
    ...(options.session !== undefined && { session_id: options.session }),
    ...(options.search !== undefined && { q: options.search }),
  })
  const tasks = await itemsOf(page, options.all)
  if (options.json) writeJson(tasks)
  else {
    const head = ['TASK', 'STATUS', 'CREATED', 'TOOK', 'COST', 'WHAT']
    writeTable(head, tasks.map(rowOf))
    if (page.next !== undefined && !options.all)
      process.stderr.write(
        `the first ${tasks.length}${page.total ? ` of ${page.total}` : ''}; --all shows every one\n`,
      )
  }
  return EXIT.done
}

const rowOf = (task: TaskSummary): string[] => [
  task.task_id,
  task.status,
  task.created_at.slice(0, 19).replace('T', ' '),
  task.duration_ms === undefined ? '' : duration(task.duration_ms),
  money(task.usage.cost_usd),
  task.task,
]

const describeTask = (task: Task): string[] => {
  const { usage } = task
  const pairs: [string, string | undefined][] = [
    ['task', task.task_id],
    ['session', task.session_id],
    ['status', `${task.status}: ${task.message}`],
    ['what', oneLine(task.task, 200)],
    ['presets', `${task.agent_preset}, ${task.tool_preset}`],
    ['model', task.model],
    ['created', task.created_at],
    ['ended', task.completed_at],
    ['took', task.duration_ms === undefined ? undefined : duration(task.duration_ms)],
    ['worker', task.worker],
    ['iterations', `${task.current_iteration} of at most ${task.max_iterations}`],
    ['tokens', `${usage.total_tokens} in ${usage.model_calls} model calls, ${usage.tool_calls} tool calls`],
    ['cost', money(usage.cost_usd) || undefined],
    ['error', task.error && `${task.error.code}: ${task.error.message}`],
  ]
  const lines = pairs.flatMap(([name, value]) =>
    value === undefined ? [] : [`${paint('dim', name.padEnd(10))}  ${oneLine(value, 1000)}`],
  )
  return task.result === undefined ? lines : [...lines, '', printable(task.result.answer)]
}

const outcome = (status: TaskStatus): number => {
  if (status === 'completed') return EXIT.done
  return status === 'cancelled' ? EXIT.cancelled : EXIT.failed
}

const filterOf = (ids: string[], { session, status }: CancelOptions): CancelTasks => {
  const given = [
    ...(ids.length > 0 ? [{ task_ids: ids }] : []),
    ...(session === undefined ? [] : [{ session_id: session }]),
    ...(status === undefined ? [] : [{ status }]),
  ]
  const [filter, ...more] = given
  if (filter === undefined || more.length > 0)
    throw new UsageError('cancel takes exactly one of: ids of tasks, --session, --status')
  return filter
}

const cancel = async (
  { client }: Remote,
  filter: CancelTasks,
  { reason, json }: CancelOptions,
): Promise<number> => {
  const [id, ...others] = filter.task_ids ?? []
  if (id !== undefined && others.length === 0) {
    const answer = await client.cancel(id, { reason })
    if (json) writeJson(answer)
    else writeLines([`cancelled ${answer.task_id}`])
    return EXIT.done
  }
  const answer = await client.cancelMany({ ...filter, ...(reason !== undefined && { reason }) })
  if (json) writeJson(answer)
  else {
    writeLines(answer.cancelled.map((each) => `cancelled ${each}`))
    for (const { task_id, reason: why } of answer.skipped)
      process.stderr.write(`skipped ${task_id}: ${printable(why)}\n`)
    if (answer.cancelled.length + answer.skipped.length === 0) process.stderr.write('there was none\n')
  }
  return answer.skipped.length === 0 ? EXIT.done : EXIT.failed
}
