/** `run` and `submit`: a new task, followed to its end or left to itself. */
import { text } from 'node:stream/consumers'
import { type Command, Option } from 'commander'
import { CreateTask } from '../schemas/task.ts'
import { EXIT, EXIT_HELP, exitWith, UsageError } from './exit.ts'
import { type FollowOptions, followTask } from './follow.ts'
import { writeJson } from './output.ts'
import { type RemoteOptions, withRemote, withRemoteOptions } from './remote.ts'

/** As the parser names what `withTaskOptions` adds. */
interface TaskOptions {
  session?: string
  agentPreset?: string
  toolPreset?: string
  model?: string
  maxIterations?: number
  maxTokens?: number
  maxTotalTokens?: number
  maxCostUsd?: number
  timeoutS?: number
  priority?: number
  runAt?: string
  metadata?: Record<string, string>
}

/** Sent again so often when nobody answers: the key makes the second the same as the first. */
const RETRIES = { retries: 5 }

export const addRun = (program: Command): void => {
  withTaskOptions(program.command('run'))
    .description('submit a task and follow it to its answer')
    .option('-q, --quiet', 'say nothing but the answer')
    .addHelpText(
      'after',
      `
The answer goes to stdout, as it comes on a terminal; progress goes to stderr. Broken connections and restarts of
the API are followed through. On a terminal Ctrl-C offers to cancel the task or to detach from it, a second one
detaches at once; elsewhere, and at SIGTERM, the first cancels and the second leaves.
With --json each event of the task is a line.

Examples:
  alex run "Analyze the codebase"
  alex run "And now write it down" --session demo
  alex run "What does src/main.ts do?" --tool-preset read-only --max-cost-usd 0.05
  git diff | alex run - > review.md
  alex run "List the TODOs" --json | jq -r 'select(.event_type == "tool_call_start").tool_name'
${EXIT_HELP}`,
    )
    .action(exitWith(run))

  withTaskOptions(program.command('submit'))
    .description('submit a task and print its id')
    .addHelpText(
      'after',
      `
Examples:
  id=$(alex submit "Update the changelog") && alex show "$id" --wait
  alex submit "Nightly report" --run-at 2030-01-31T03:00:00Z --metadata kind=report`,
    )
    .action(exitWith(submit))
}

const run = async (
  words: string[],
  options: TaskOptions & RemoteOptions & FollowOptions,
): Promise<number> => {
  const body = await bodyOf(words, options)
  return withRemote(
    options,
    async (remote) => {
      const { task_id } = await remote.client.submit(body)
      return followTask(remote, task_id, { ...options, owned: true })
    },
    RETRIES,
  )
}

const submit = async (words: string[], options: TaskOptions & RemoteOptions): Promise<number> => {
  const body = await bodyOf(words, options)
  return withRemote(
    options,
    async ({ client }) => {
      const created = await client.submit(body)
      if (options.json) writeJson(created)
      else process.stdout.write(`${created.task_id}\n`)
      return EXIT.done
    },
    RETRIES,
  )
}

const withTaskOptions = (command: Command): Command =>
  withRemoteOptions(
    command
      .argument('<task...>', 'what to do, in plain words; - reads it from stdin')
      .option('-s, --session <id>', 'go on in this session, which is created on first use')
      .option('--agent-preset <name>', 'the kind of agent')
      .option('--tool-preset <name>', 'what its tools may do')
      .option('--model <name>', "another model than the server's")
      .addOption(number('--max-iterations <n>', 'model turns it may take'))
      .addOption(number('--max-tokens <n>', 'longest single answer of its model'))
      .addOption(number('--max-total-tokens <n>', 'tokens all its model calls together may use'))
      .addOption(number('--max-cost-usd <usd>', 'what all its model calls together may cost'))
      .addOption(number('--timeout-s <seconds>', 'seconds after which it fails'))
      .addOption(number('--priority <n>', '0 goes first, 9 last'))
      .option('--run-at <time>', 'not before this time (RFC 3339)')
      .option('--metadata <name=value>', 'kept with the task; may be repeated', addPair),
  )

const number = (flags: string, description: string) => new Option(flags, description).argParser(Number)

const addPair = (pair: string, pairs: Record<string, string> = {}): Record<string, string> => {
  const at = pair.indexOf('=')
  if (at < 1) throw new UsageError(`--metadata takes name=value, not ${pair}`)
  return { ...pairs, [pair.slice(0, at)]: pair.slice(at + 1) }
}

/** What the server would refuse is said without asking it. */
const bodyOf = async (words: string[], options: TaskOptions): Promise<CreateTask> => {
  const isFromStdin = words.length === 1 && words[0] === '-'
  const body = CreateTask.safeParse({
    task: isFromStdin ? await text(process.stdin) : words.join(' '),
    session_id: options.session,
    agent_preset: options.agentPreset,
    tool_preset: options.toolPreset,
    model: options.model,
    max_iterations: options.maxIterations,
    max_tokens: options.maxTokens,
    max_total_tokens: options.maxTotalTokens,
    max_cost_usd: options.maxCostUsd,
    timeout_s: options.timeoutS,
    priority: options.priority,
    run_at: options.runAt,
    metadata: options.metadata,
  })
  if (body.success) return body.data
  throw new UsageError(
    body.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'),
  )
}
