/** MCP servers as a worker has them: real processes under a real guard, offered by a real toolbox. */
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { type McpTiming, startMcp } from '../../src/agent/mcp/mcp.ts'
import { toolEnvironment } from '../../src/agent/tools/environment.ts'
import type { Guard } from '../../src/agent/tools/guard.ts'
import { toolboxOf } from '../../src/agent/tools/registry.ts'
import type { ToolContext, ToolOutput } from '../../src/agent/tools/tool.ts'
import type { Log } from '../../src/log.ts'
import { eventually } from '../support/processes.ts'
import { beatenGuard } from '../tools/support/fixture.ts'

const oddServer = join(import.meta.dirname, 'fixtures/odd-server.ts')

export const everything = {
  command: process.execPath,
  args: [fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'))],
}
export const filesystem = (folder: string) => ({
  command: process.execPath,
  args: [fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-filesystem/dist/index.js')), folder],
})
export const odd = (start: string, folder: string, more: object = {}) => ({
  command: process.execPath,
  args: [oddServer, start, folder],
  ...more,
})

export const makeFolder = async (): Promise<string> => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'alex-mcp-')))
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

/** What the tools of the odd server did, line by line. */
export const traceIn = async (folder: string): Promise<string[]> => {
  const text = await readFile(join(folder, 'trace'), 'utf8').catch(() => '')
  return text.split('\n').filter((line) => line !== '')
}

export interface CallOptions {
  preset?: string
  signal?: AbortSignal
  stream?: (chunk: string) => void
  assertLease?: () => void
}

interface Options {
  timing?: Partial<McpTiming>
  variables?: Record<string, string>
  guard?: Guard
}

/** `servers`: of the configuration file. All is ended when the test is. */
export const startServers = async (servers: Record<string, object>, options: Options = {}) => {
  const folder = await makeFolder()
  const path = join(folder, 'mcp-config.json')
  await writeFile(path, JSON.stringify({ mcpServers: servers }))
  return startFile(path, options)
}

export const startFile = (path: string, options: Options & { named?: boolean; enabled?: boolean } = {}) => {
  const guard = options.guard ?? beatenGuard()
  const lines: string[] = []
  const write = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`)
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log }
  const mcp = startMcp({
    enabled: options.enabled ?? true,
    path,
    named: options.named ?? false,
    variables: options.variables ?? {},
    env: toolEnvironment(process.env),
    cwd: process.cwd(),
    guard,
    version: '0.0.0',
    log,
    timing: { retryMs: 50, maxRetryMs: 400, ...options.timing },
  })
  onTestFinished(async () => {
    await mcp[Symbol.asyncDispose]()
    await guard[Symbol.asyncDispose]()
  })
  const toolbox = toolboxOf([], mcp)
  let calls = 0
  const context: ToolContext = {
    workspace: process.cwd(),
    callKey: 'unused',
    signal: new AbortController().signal,
    assertLease: () => {},
    stream: () => {},
    guard,
    ask: async () => ({ ok: false, message: 'no model here' }),
    todos: { read: async () => [], write: async () => {} },
  }

  return {
    mcp,
    guard,
    toolbox,
    /** All of the log so far. */
    logged: () => lines.join('\n'),
    untilLogged: (text: string) => eventually(async () => lines.some((line) => line.includes(text))),
    ready: () => eventually(async () => mcp.state().status === 'ready'),
    names: (preset = 'full') => toolbox.specs(preset).map(({ name }) => name),
    call: (
      name: string,
      args: object = {},
      { preset = 'full', ...more }: CallOptions = {},
    ): Promise<ToolOutput> =>
      toolbox.execute(
        { tool_name: name, arguments: JSON.stringify(args) },
        { ...context, callKey: `mcp-test-${process.pid}/${++calls}`, ...more },
        preset,
      ),
  }
}
