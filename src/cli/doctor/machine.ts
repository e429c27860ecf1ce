/** What a worker of this machine would miss. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { toolEnvironment } from '../../agent/tools/environment.ts'
import { findProgram } from '../../agent/tools/programs.ts'
import { createSandbox } from '../../agent/tools/sandbox.ts'
import { childEnvironment, type LoadedConfig, openTelemetryEnvironment } from '../../config.ts'
import { installCommand } from '../../supervisor/installing.ts'
import { tracingSettings } from '../../tracing/settings.ts'
import type { Finding } from './finding.ts'

const GH_MS = 3000

export const checkMachine = async ({ config, warnings }: LoadedConfig, cwd: string): Promise<Finding[]> => {
  const env = toolEnvironment(childEnvironment())
  const has = async (...names: string[]) => (await findProgram(env['PATH'], names)) !== undefined
  const findings: Finding[] = []
  const hint = (part: string, message: string, remedy: string) =>
    findings.push({ part, level: 'hint', message, remedy })

  for (const warning of warnings) hint('config', warning, 'see ./alex config')
  if (config.api_key === undefined && config.base_url === undefined)
    hint('key', 'no model is configured: the offline model answers', 'set OPENAI_API_KEY or OPENAI_BASE_URL')
  if (!(await has('rg')))
    hint('rg', 'not installed: the tool grep cannot search', install({ name: 'ripgrep' }))
  findings.push(...(await checkSandbox(config.sandbox, env, await has('bwrap'))))
  if (config.enable_git_tools) {
    if (!(await has('git'))) hint('git', 'not installed: there are no git tools', install({ name: 'git' }))
    if (!(await has('flock')))
      hint(
        'git',
        'git tools need flock, which is not installed',
        install({ name: 'util-linux', brew: 'flock' }),
      )
    if (!(await has('gh')))
      hint('gh', 'not installed: git_pr can open no pull request', install({ name: 'gh', apk: 'github-cli' }))
    else if (!(await isSignedIn()))
      hint(
        'gh',
        'not signed in: git_pr can open no pull request',
        'set GH_TOKEN for the workers, or gh auth login',
      )
  }
  const { problems } = tracingSettings(openTelemetryEnvironment(cwd))
  for (const problem of problems) hint('tracing', problem, 'see docs/reference/OBSERVABILITY.md, Traces')
  return findings
}

const install = (wanted: Parameters<typeof installCommand>[0]): string =>
  installCommand(wanted) ?? `install the package ${wanted.name}`

const checkSandbox = async (
  mode: LoadedConfig['config']['sandbox'],
  env: Readonly<Record<string, string>>,
  installed: boolean,
): Promise<Finding[]> => {
  // Whoever says off has another one around it.
  if (mode === 'off') return []
  const { active, message } = (await createSandbox({ mode, network: 'none', closedDirs: [], env })).describe()
  if (active) return []
  const allow = 'allow unprivileged user namespaces, or run in a container and set ALEX_SANDBOX=off'
  const remedy = installed || process.platform !== 'linux' ? allow : install({ name: 'bubblewrap' })
  return [{ part: 'bwrap', level: mode === 'required' ? 'problem' : 'hint', message, remedy }]
}

/** By a token or by gh's own file; asks nobody. */
const isSignedIn = (): Promise<boolean> =>
  promisify(execFile)('gh', ['auth', 'token'], { env: childEnvironment(), timeout: GH_MS }).then(
    () => true,
    () => false,
  )
