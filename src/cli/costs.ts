/** `cost`: what model calls cost, by day, model or session, or of one session. */
import { type Command, Option } from 'commander'
import type { CostFilter } from '../client/client.ts'
import { EXIT, exitWith, UsageError } from './exit.ts'
import { money, writeJson, writeTable } from './output.ts'
import { type Remote, type RemoteOptions, withRemote, withRemoteOptions } from './remote.ts'

interface CostOptions extends RemoteOptions {
  from?: string
  to?: string
  by: NonNullable<CostFilter['group_by']>
  session?: string
}

export const addCosts = (program: Command): void => {
  withRemoteOptions(program.command('cost'))
    .description('tokens and costs by day, model or session')
    .option('--from <day>', 'UTC day, included; else 30 days ago')
    .option('--to <day>', 'UTC day, included; else today')
    .addOption(
      new Option('--by <what>', 'what each line is of').choices(['day', 'model', 'session']).default('day'),
    )
    .option('-s, --session <id>', 'of this session, by model')
    .addHelpText(
      'after',
      `
Examples:
  alex cost
  alex cost --from 2026-01-01 --to 2026-01-31 --by model
  alex cost --session demo --json`,
    )
    .action(exitWith((options: CostOptions) => withRemote(options, (remote) => cost(remote, options))))
}

type Row = { total_tokens: number; model_calls: number; cost_usd?: number | undefined }

const cost = async ({ client }: Remote, options: CostOptions): Promise<number> => {
  if (options.session !== undefined) {
    if (options.from !== undefined || options.to !== undefined)
      throw new UsageError('--from and --to are not for a single session')
    const session = await client.sessionCost(options.session)
    if (options.json) writeJson(session)
    else print('MODEL', [...session.models.map((each) => [each.model, each] as const), ['total', session]])
    return EXIT.done
  }
  const filter = {
    group_by: options.by,
    ...(options.from !== undefined && { from: options.from }),
    ...(options.to !== undefined && { to: options.to }),
  }
  const { next, ...report } = await client.costs(filter)
  let cursor = next
  while (cursor !== undefined) {
    const more = await client.costs({ ...filter, cursor })
    report.groups.push(...more.groups)
    cursor = more.next
  }
  if (options.json) writeJson(report)
  else
    print(options.by.toUpperCase(), [
      ...report.groups.map((group) => [nameOf(group), group] as const),
      [`total, ${report.from} to ${report.to}`, report.total],
    ])
  return EXIT.done
}

const nameOf = (group: { day: string } | { model: string } | { session_id: string }): string => {
  if ('day' in group) return group.day
  return 'model' in group ? group.model : group.session_id
}

const print = (what: string, rows: (readonly [string, Row])[]): void => {
  writeTable(
    ['COST', 'TOKENS', 'CALLS', what],
    rows.map(([name, row]) => [
      money(row.cost_usd) || '-',
      String(row.total_tokens),
      String(row.model_calls),
      name,
    ]),
  )
}
