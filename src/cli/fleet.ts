/** `health`, `workers`, `mcp`, `presets`: what the service says of itself. */
import type { Command } from 'commander'
import type { Health, WorkerInfo } from '../client/client.ts'
import { EXIT, exitWith } from './exit.ts'
import { oneLine, paint, type Style, writeJson, writeLines, writeTable } from './output.ts'
import { type RemoteOptions, withRemote, withRemoteOptions } from './remote.ts'

export const addFleet = (program: Command): void => {
  withRemoteOptions(program.command('health'))
    .description('how the service is, part by part')
    .addHelpText(
      'after',
      '\nExit code 1 when it is unhealthy, 3 when nobody answers.\n\nExample:\n  alex health',
    )
    .action(
      exitWith((options: RemoteOptions) =>
        withRemote(options, async ({ client, url }) => {
          const health = await client.health()
          if (options.json) writeJson(health)
          else writeLines([`${url}: ${health.status}`, ...health.components.map(componentLine)])
          return health.status === 'unhealthy' ? EXIT.failed : EXIT.done
        }),
      ),
    )

  withRemoteOptions(program.command('workers'))
    .description('who works, and on how much')
    .addHelpText('after', '\nExample:\n  alex workers --json | jq -r .[].worker_id')
    .action(
      exitWith((options: RemoteOptions) =>
        withRemote(options, async ({ client }) => {
          const workers = await client.workers()
          if (options.json) writeJson(workers)
          else writeTable(['WORKER', 'HOST', 'PID', 'TASKS', 'VERSION', 'STATE'], workers.map(workerRow))
          return EXIT.done
        }),
      ),
    )

  withRemoteOptions(program.command('mcp'))
    .description('MCP servers of the workers, and the tools they offer')
    .addHelpText('after', '\nExample:\n  alex mcp')
    .action(
      exitWith((options: RemoteOptions) =>
        withRemote(options, async ({ client }) => {
          const [health, workers] = await Promise.all([client.health(), client.workers()])
          const state = mcpOf(health, workers)
          if (options.json) writeJson(state)
          else
            writeLines([
              `${state.status}: ${oneLine(state.message, 1000)}`,
              ...state.tools.map(({ name, effect }) => `  ${oneLine(name)}  ${paint('dim', effect)}`),
            ])
          return EXIT.done
        }),
      ),
    )

  withRemoteOptions(program.command('presets'))
    .description('the presets a task may name, and what each allows')
    .addHelpText('after', '\nExample:\n  alex presets')
    .action(
      exitWith((options: RemoteOptions) =>
        withRemote(options, async ({ client }) => {
          const presets = await client.presets()
          if (options.json) writeJson(presets)
          else
            writeLines([
              paint('bold', 'agents'),
              ...presets.agent_presets.map((each) => `  ${each.name}: ${oneLine(each.description, 200)}`),
              paint('bold', 'tools'),
              ...presets.tool_presets.flatMap((each) => [
                `  ${each.name}: ${oneLine(each.description, 200)}`,
                `    ${oneLine(each.allowed.join(' ') || 'none', 10_000)}`,
              ]),
            ])
          return EXIT.done
        }),
      ),
    )
}

const MARKS = { ready: ['green', '✓'], not_ready: ['red', '✗'], disabled: ['dim', '-'] } satisfies Record<
  Health['components'][number]['status'],
  [Style, string]
>

const componentLine = ({ name, status, message }: Health['components'][number]): string => {
  const [style, mark] = MARKS[status]
  return `  ${paint(style, mark)} ${oneLine(name)}: ${oneLine(message, 1000)}`
}

const workerRow = (worker: WorkerInfo): string[] => [
  worker.worker_id,
  worker.host,
  String(worker.pid),
  `${worker.running.length}/${worker.slots}`,
  worker.version,
  worker.draining ? 'leaving' : 'working',
]

const mcpOf = (health: Health, workers: WorkerInfo[]) => {
  const mcp = health.components.find(({ name }) => name === 'mcp')
  const tools = new Map(workers.flatMap(({ mcp_tools = [] }) => mcp_tools).map((tool) => [tool.name, tool]))
  return {
    status: mcp?.status ?? 'not_ready',
    message: mcp?.message ?? 'no worker has told of its MCP servers',
    ...(mcp?.details && { details: mcp.details }),
    tools: [...tools.values()].toSorted((a, b) => a.name.localeCompare(b.name)),
  }
}
