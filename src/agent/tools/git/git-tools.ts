/** The git tools of a worker, and what its health says of them. */
import type { ComponentState } from '../../../schemas/health.ts'
import { findProgram } from '../programs.ts'
import type { Sandbox } from '../sandbox.ts'
import type { Tool } from '../tool.ts'
import { gitCommitTool } from './git-commit.ts'
import { gitHistoryTool } from './git-history.ts'
import { type GitPrOptions, gitPrTool } from './git-pr.ts'

export interface GitToolsOptions {
  enabled: boolean
  closedDirs: readonly string[]
  sandbox: Sandbox
  /** See `toolEnvironment`. */
  env: Readonly<Record<string, string>>
  /** The worker's own environment; what gh and ssh need for signing in is taken from it. */
  source: Readonly<Record<string, string | undefined>>
}

export interface GitTools {
  /** Empty when they cannot be offered; in a workspace that is no repository they should not be. */
  tools: readonly Tool[]
  state: ComponentState
}

const CREDENTIALS = ['GH_TOKEN', 'GITHUB_TOKEN', 'GH_HOST', 'GH_ENTERPRISE_TOKEN', 'SSH_AUTH_SOCK']

/** All of them, whatever is installed. */
export const gitTools = (options: GitPrOptions & Pick<GitToolsOptions, 'closedDirs' | 'sandbox'>): Tool[] => [
  gitCommitTool(options),
  gitPrTool(options),
  gitHistoryTool(options),
]

/** Looks once what is installed; never rejects. */
export const createGitTools = async (options: GitToolsOptions): Promise<GitTools> => {
  const { enabled, env, source } = options
  const none = (status: 'disabled' | 'not_ready', message: string): GitTools => ({
    tools: [],
    state: { name: 'git_tools', status, message },
  })
  if (!enabled) return none('disabled', 'disabled by configuration')
  if ((await findProgram(env['PATH'], ['git'])) === undefined)
    return none('not_ready', 'git is not installed')
  const flock = await findProgram(env['PATH'], ['flock'])
  if (flock === undefined)
    return none('not_ready', 'git tools need flock (util-linux), which is not installed')

  const credentials = Object.fromEntries(
    CREDENTIALS.flatMap((name) => (source[name] ? [[name, source[name]]] : [])),
  )
  const tools = gitTools({ ...options, flock, credentials })
  const details = { tools: tools.map(({ name }) => name) }
  return {
    tools,
    state: { name: 'git_tools', status: 'ready', message: 'Git tools available', details },
  }
}
