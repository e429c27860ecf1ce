/**
 * The configuration of every process, and the only place that reads the environment.
 * Precedence: defaults < configuration file < `.env` < environment < command line. An empty string is not set.
 */
import { homedir } from 'node:os'
import { join, parse, resolve } from 'node:path'
import { z } from 'zod'
import { CONFIG_KEYS, Config, type ConfigKey, settingOf } from './config/schema.ts'
import {
  dotenvValues,
  type Given,
  readArguments,
  readConfigFile,
  readDotenv,
  readEnvironment,
} from './config/sources.ts'
import { absolute } from './config/values.ts'

export type { ConfigKey } from './config/schema.ts'
export { Config } from './config/schema.ts'

/** Exit code of a process whose configuration is wrong (sysexits EX_CONFIG): starting it again is no use. */
export const EX_CONFIG = 78

/** `workspace_dir` when every session gets a folder of its own below `<home>/workspaces`. */
export const PER_SESSION = 'per-session'

/** The configuration is wrong; the message names every problem and where each came from. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(`ALEX cannot start with this configuration:\n${problems.map((each) => `  - ${each}`).join('\n')}`)
    this.problems = problems
  }
}

export interface LoadConfig {
  /** Without the program's name. */
  argv?: readonly string[]
  env?: NodeJS.ProcessEnv
  /** Holds `.env`; relative paths count from it. */
  cwd?: string
}

export interface LoadedConfig {
  config: Config
  /** Where each value came from, in words; `default` when nobody set it. */
  sources: Record<ConfigKey, string>
  /** Absolute paths of files that secrets were read from: no tool may read them. */
  secretFiles: string[]
  /** What a person should know, though nothing is wrong. */
  warnings: string[]
}

/** Throws `ConfigError`. */
export const loadConfig = ({
  argv = process.argv.slice(2),
  env = process.env,
  cwd = process.cwd(),
}: LoadConfig = {}): LoadedConfig => {
  const fromArguments = readArguments(argv)
  const fromEnv = readEnvironment(env, 'the environment')
  const fromDotenv = readDotenv(join(cwd, '.env'))
  const named = fromArguments.configFile ?? fromEnv.configFile ?? fromDotenv.configFile
  const file = absolute(named ?? '~/.alex-config.json', env, cwd)
  const fromFile = readConfigFile(file, named !== undefined)

  const layers = [fromFile, fromDotenv, fromEnv, fromArguments]
  const given = new Map<ConfigKey, Given>(layers.flatMap((layer) => [...layer.values]))
  const problems = layers.flatMap((layer) => layer.problems)

  const parsed = Config.safeParse(withComputedDefaults(given, env, cwd))
  for (const issue of parsed.error?.issues ?? []) problems.push(problemOf(issue, given))
  problems.push(...exposure(given), ...passwordTwice(parsed.data))
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems)

  const warnings = fromFile.exposed ? [`${file} holds a key and others can read it: chmod 600 ${file}`] : []
  const sources = CONFIG_KEYS.map((key) => [key, given.get(key)?.source ?? 'default'])
  return {
    config: withRedisPassword(parsed.data),
    sources: Sources.parse(Object.fromEntries(sources)),
    secretFiles: layers.flatMap((layer) => layer.secretFiles).map((each) => resolve(cwd, each)),
    warnings,
  }
}

/** As `loadConfig`; wrong configuration is told on stderr and ends the process with `EX_CONFIG`. */
export const loadConfigOrExit = (options: LoadConfig = {}): LoadedConfig => {
  try {
    return loadConfig(options)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    return process.exit(EX_CONFIG)
  }
}

/** Every secret value, for masking: keys, tokens, the password in a URL. */
export const secretsOf = (config: Config): string[] => {
  const { api_key, tavily_api_key, api_tokens, token, redis_url = '' } = config
  const password = URL.canParse(redis_url) ? new URL(redis_url).password : ''
  const values = [api_key, tavily_api_key, token, ...api_tokens, decodeURIComponent(password)]
  return values.flatMap((value) => value || [])
}

/** The models that the configuration names: those that metrics tell apart. */
export const namedModels = ({ model, fallback_models, prices }: Config): string[] => [
  ...new Set(['offline', model, ...fallback_models, ...Object.keys(prices ?? {})]),
]

/**
 * Why tools must not work in `workspace_dir`, or undefined. Only the current folder, taken because nobody named
 * one, is judged: whoever names `/` means it.
 */
export const workspaceProblem = ({ config, sources }: LoadedConfig): string | undefined => {
  const folder = config.workspace_dir
  if (sources.workspace_dir !== 'default') return undefined
  if (folder !== parse(folder).root && folder !== homedir()) return undefined
  return `tools would work in ${folder}: start ALEX in a project's folder, or set ALEX_WORKSPACE_DIR`
}

/** The environment of a child process of ours: this process's, with `changes` on top. */
export const childEnvironment = (changes: Record<string, string> = {}): NodeJS.ProcessEnv => ({
  ...process.env,
  ...changes,
})

/** Where child processes of ours keep their compiled modules, unless somebody said where: they start faster then. */
export const compileCache = ({ home }: Config): { NODE_COMPILE_CACHE: string } => ({
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] || join(home, 'cache'),
})

/** Whoever connects knows only the URL, so the password goes there. */
const withRedisPassword = (config: Config): Config => {
  const url = URL.parse(config.redis_url ?? '')
  if (url === null || config.redis_password === undefined) return config
  url.password = encodeURIComponent(config.redis_password)
  return { ...config, redis_url: url.href }
}

const passwordTwice = ({ redis_url = '', redis_password }: Partial<Config> = {}): string[] => {
  const inUrl = decodeURIComponent(URL.parse(redis_url)?.password ?? '')
  const differs = inUrl !== '' && redis_password !== undefined && inUrl !== redis_password
  return differs ? ['redis_url holds another password than redis_password: keep one'] : []
}

/**
 * OpenTelemetry's own variables, `OTEL_*`. Its libraries read the environment themselves, so those that stand in
 * `.env` alone are put there.
 */
export const openTelemetryEnvironment = (cwd = process.cwd()): NodeJS.Dict<string> => {
  const isOurs = ([name]: [string, unknown]) => name.startsWith('OTEL_')
  for (const [name, value] of Object.entries(dotenvValues(join(cwd, '.env'))).filter(isOurs))
    if (value !== undefined) process.env[name] ||= value
  return Object.fromEntries(Object.entries(process.env).filter(isOurs))
}

const Sources = z.record(Config.keyof(), z.string())

const withComputedDefaults = (given: Map<ConfigKey, Given>, env: NodeJS.ProcessEnv, cwd: string) => {
  const moved = given.has('home')
  const values: Record<string, unknown> = {
    home: '~/.alex',
    session_dir: moved ? 'sessions' : '~/.alex-sessions',
    cost_dir: moved ? 'costs' : '~/.alex-costs',
    mcp_config: 'mcp-config.json',
    workspace_dir: cwd,
    log_format: process.stdout.isTTY ? 'pretty' : 'json',
  }
  for (const [key, { value }] of given) values[key] = value

  const home = absolute(String(values['home']), env, cwd)
  for (const key of CONFIG_KEYS) {
    const value = values[key]
    if (!settingOf(key).path || typeof value !== 'string' || value === PER_SESSION) continue
    values[key] = absolute(value, env, given.has(key) ? cwd : home)
  }
  return values
}

const problemOf = (
  issue: { path: PropertyKey[]; message: string; code: string },
  given: Map<ConfigKey, Given>,
): string => {
  const key = CONFIG_KEYS.find((each) => each === issue.path[0])
  if (key === undefined) return issue.message
  const { value, source } = given.get(key) ?? { value: undefined, source: key }
  const shown = settingOf(key).secret ? '' : `, not ${JSON.stringify(value)}`
  return `${source} ${issue.message}${shown}`
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || /^127(\.\d{1,3}){3}$/.test(host) || /^\[?::1\]?$/.test(host)

const exposure = (given: Map<ConfigKey, Given>): string[] => {
  const { value = '127.0.0.1', source } = given.get('host') ?? {}
  const anonymous = Config.shape.allow_anonymous.safeParse(given.get('allow_anonymous')?.value).data
  if (typeof value !== 'string' || isLoopback(value.trim()) || anonymous || given.has('api_tokens')) return []
  return [
    `${source} is ${value}, which others can reach, and there are no api_tokens: ` +
      'set ALEX_API_TOKENS, or ALEX_ALLOW_ANONYMOUS=true if anybody may use it',
  ]
}
