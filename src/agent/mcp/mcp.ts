/** All MCP servers of a worker: started beside it, offered as tools, told of in its health. */
import type { Log } from '../../log.ts'
import { createRedactor } from '../../redact.ts'
import type { ComponentState } from '../../schemas/health.ts'
import type { Guard } from '../tools/guard.ts'
import type { Tool, ToolSource } from '../tools/tool.ts'
import { byCodeUnits, type McpConfig, readMcpConfig, type ServerConfig } from './mcp-config.ts'
import type { CallLimits } from './mcp-tool.ts'
import { MCP_PREFIX, offeredName } from './offered-name.ts'
import type { McpServer } from './server.ts'

export interface McpOptions {
  enabled: boolean
  /** Of the file with the servers. */
  path: string
  /** Somebody named the file: then it must be there. */
  named: boolean
  /** `${VAR}` of the file is taken from here. */
  variables: Readonly<Record<string, string | undefined>>
  /** Of stdio servers: their environment, below what their entries add, and where they start. */
  env: Readonly<Record<string, string>>
  cwd: string
  guard: Guard
  /** Servers are started when this has resolved. */
  after?: Promise<void>
  version: string
  log: Log
  /** Servers came or went, or their tools did. */
  onChange?: () => void
  /** A server's start has led to a connection or failed; `again` after a connection that was lost. */
  onStart?: (server: string, again: boolean) => void
  timing?: Partial<McpTiming>
}

/** Milliseconds. */
export interface McpTiming extends CallLimits {
  initMs: number
  pingMs: number
  retryMs: number
  maxRetryMs: number
  stableMs: number
}

export interface Mcp extends ToolSource {
  state: () => ComponentState
  /** Those whose entries can be used. */
  servers: () => { name: string; connected: boolean }[]
  /** Ends all servers, within 2 s. */
  [Symbol.asyncDispose](): Promise<void>
}

const TIMING: McpTiming = {
  initMs: 10_000,
  pingMs: 15_000,
  retryMs: 500,
  maxRetryMs: 30_000,
  stableMs: 30_000,
  idleMs: 120_000,
  totalMs: 600_000,
}

const NAME = 'mcp'

/** Returns at once; servers come when they are ready. Never throws for what is wrong with file or servers. */
export const startMcp = (options: McpOptions): Mcp => {
  const { enabled, path, named, log } = options
  const timing = { ...TIMING, ...options.timing }
  let file: McpConfig | undefined
  let servers: McpServer[] = []
  let tools: readonly Tool[] = []
  let makeTools: () => readonly Tool[] = () => []
  let stopped = false
  let told = false

  const onChange = (): void => {
    tools = makeTools()
    options.onChange?.()
    if (told || state().status !== 'ready') return
    told = true
    const names = servers.map((server) => server.name)
    log.info({ servers: names, tools: tools.length }, '[MCP] MCP initialized successfully')
  }

  const start = async (): Promise<void> => {
    file = await readMcpConfig(path, options.variables)
    if (file.kind === 'broken') log.error({}, `[MCP] ${file.problem}`)
    if (file.kind !== 'servers' || file.servers.length === 0 || stopped) return
    for (const entry of file.servers)
      if ('problem' in entry) log.error({ server: entry.name }, `[MCP] ${entry.name}: ${entry.problem}`)
    const configs = file.servers.filter((entry) => 'transport' in entry)
    await options.after
    if (stopped) return
    // Most workers have no servers, and the SDK costs a start 13 MB and a sixth of a second.
    const [{ startServer }, { mcpTool }] = await Promise.all([import('./server.ts'), import('./mcp-tool.ts')])
    if (stopped) return
    const toolsOf = (server: McpServer, { trustAnnotations, secrets }: ServerConfig): Tool[] => {
      const redact = createRedactor(secrets)
      return server
        .listing()
        .tools.map((listed) => mcpTool({ server, listed, trustAnnotations, limits: timing, redact }))
    }
    servers = configs.map((server) => startServer({ ...options, ...timing, server, onChange }))
    makeTools = () =>
      servers
        .flatMap((server, index) => (configs[index] === undefined ? [] : toolsOf(server, configs[index])))
        .toSorted((a, b) => byCodeUnits(a.name, b.name))
  }
  const started = enabled ? start() : Promise.resolve()

  const ready = (message: string): ComponentState => ({
    name: NAME,
    status: 'ready',
    message,
    details: { servers: 0, tools: 0, attempts: 0 },
  })
  const notReady = (message: string): ComponentState => ({ ...ready(message), status: 'not_ready' })

  const state = (): ComponentState => {
    if (!enabled) return { name: NAME, status: 'disabled', message: 'disabled by configuration' }
    if (file === undefined) return notReady('starting')
    if (file.kind === 'broken') return notReady(file.problem)
    if (file.kind === 'absent')
      return named
        ? notReady(`the file ${path} that the configuration names does not exist`)
        : ready(`no MCP servers: list them in ${path}`)
    if (file.servers.length === 0) return ready(`no MCP servers: ${path} lists none that is enabled`)
    return stateOf(file.servers, servers, tools)
  }

  return {
    tools: () => tools,
    owns: (name) => name.startsWith(MCP_PREFIX),
    state,
    servers: () =>
      servers.map((server) => ({ name: server.name, connected: server.connection() !== undefined })),
    async [Symbol.asyncDispose]() {
      stopped = true
      await started
      await Promise.all(servers.map((server) => server.close()))
    },
  }
}

const stateOf = (
  entries: Extract<McpConfig, { kind: 'servers' }>['servers'],
  servers: readonly McpServer[],
  tools: readonly Tool[],
): ComponentState => {
  const troubles = entries.flatMap((entry) => {
    if ('problem' in entry) return [[entry.name, entry.problem] as const]
    const server = servers.find(({ name }) => name === entry.name)
    const trouble = server === undefined ? 'starting' : server.trouble()
    return trouble === undefined ? [] : [[entry.name, trouble] as const]
  })
  const notOffered = servers.flatMap((server) =>
    Object.entries(server.listing().notOffered).map(([tool, why]) => [offeredName(server.name, tool), why]),
  )
  const details = {
    servers: entries.length - troubles.length,
    tools: tools.filter(({ offered }) => offered).length,
    attempts: Math.max(0, ...servers.map((server) => server.attempts())),
    ...(troubles.length > 0 && { not_connected: Object.fromEntries(troubles) }),
    ...(notOffered.length > 0 && { not_offered: Object.fromEntries(notOffered) }),
  }
  if (troubles.length === 0)
    return { name: NAME, status: 'ready', message: 'MCP initialized successfully', details }
  const named = troubles.map(([name, why]) => `${name}: ${why}`).join('; ')
  const message = `${troubles.length} of ${entries.length} servers not connected: ${named}`
  return { name: NAME, status: 'not_ready', message, details }
}
