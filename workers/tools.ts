/** The tools this worker runs, with the guard and the sandbox they run under, and where they work. */
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { startMcp } from '../src/agent/mcp/mcp.ts'
import { toolEnvironment } from '../src/agent/tools/environment.ts'
import { createGitTools } from '../src/agent/tools/git/git-tools.ts'
import { repositoryOf } from '../src/agent/tools/git/repository.ts'
import { createGuard } from '../src/agent/tools/guard-client.ts'
import { reapLeftovers } from '../src/agent/tools/process-sweep.ts'
import { createToolbox } from '../src/agent/tools/registry.ts'
import { createSandbox } from '../src/agent/tools/sandbox.ts'
import { createToolLabel } from '../src/agent/tools/tool-label.ts'
import { childEnvironment, type LoadedConfig, PER_SESSION } from '../src/config.ts'
import type { Log } from '../src/log.ts'
import type { WorkerMetrics } from '../src/metrics.ts'
import { createWorkspaces, type Workspace } from './workspaces.ts'

interface Options {
  loaded: LoadedConfig
  leaseMs: number
  version: string
  metrics: WorkerMetrics
  /** What the health of MCP servers says has changed, or their tools have. */
  onMcpChange: () => void
  log: Log
}

const real = (path: string) => realpath(path).catch(() => path)

/** Kills what a worker that was killed here left behind, then starts guard, sandbox and MCP servers. */
export const createTools = async ({ loaded, leaseMs, version, metrics, onMcpChange, log }: Options) => {
  const { config } = loaded
  // The list of MCP servers among them: whoever writes there has commands run outside the sandbox.
  const closedDirs = await Promise.all(
    [config.home, config.session_dir, config.cost_dir, config.mcp_config, ...loaded.secretFiles].map(real),
  )
  const perSession = config.workspace_dir === PER_SESSION
  const workspaces = perSession ? join(config.home, 'workspaces') : config.workspace_dir
  const env = toolEnvironment(childEnvironment(), [await real(workspaces)])
  const sandbox = await createSandbox({
    mode: config.sandbox,
    network: config.sandbox_network,
    closedDirs,
    env,
  })
  const reaped = await reapLeftovers()
  if (reaped > 0) log.warn({ reaped }, '[DI] killed processes that a worker killed before had left')
  const guard = createGuard({ leaseMs })
  const mcp = startMcp({
    enabled: config.enable_mcp,
    path: config.mcp_config,
    named: loaded.sources.mcp_config !== 'default',
    variables: childEnvironment(),
    env,
    cwd: process.cwd(),
    guard,
    // The guard would start none before. The worker has enough to do until then.
    after: guard.beaten(),
    version,
    onChange: onMcpChange,
    onStart(server, again) {
      metrics.mcpStarts.inc({ server })
      if (again) metrics.mcpRestarts.inc({ server })
    },
    log,
  })
  const git = await createGitTools({
    enabled: config.enable_git_tools,
    closedDirs,
    sandbox,
    env,
    source: childEnvironment(),
  })
  const options = {
    closedDirs,
    sandbox,
    env,
    source: mcp,
    webSearch: { apiKey: config.tavily_api_key, baseUrl: config.tavily_base_url },
  }
  const toolbox = createToolbox(options)
  const gitToolbox = createToolbox({ ...options, further: git.tools })
  const { source: _, ...withoutMcp } = options
  const own = createToolbox({ ...withoutMcp, further: git.tools }).names('full')
  return {
    guard,
    sandbox,
    mcp,
    git,
    closedDirs,
    label: createToolLabel([...own.allowed, ...own.denied], () => mcp.servers().map(({ name }) => name)),
    workspaces: createWorkspaces({ root: workspaces, perSession }),
    /** Of one activation: what is offered depends on where it works. */
    toolboxIn: async ({ path, bare }: Workspace) =>
      bare || (await repositoryOf(path)) === undefined ? toolbox : gitToolbox,
  }
}
