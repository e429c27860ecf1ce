/** Every setting: its type, its names, its default and what it is for. The table of docs/configuration.md comes from here. */
import { z } from 'zod'
import { choice, decimal, flag, list, path, priceTable, text, textMatching, whole } from './values.ts'

export interface Setting {
  /** Name in the environment; `<env>_FILE` is read as well when the value is a secret. Absent: only in the file. */
  env?: string
  meaning: string
  /** In words, where the value itself says too little or is computed. */
  defaultText?: string
  secret?: true
  path?: true
}

const settings = z.registry<Setting>()

const http = textMatching(/^https?:\/\/\S+$/, 'a URL that begins with http:// or https://')
const redis = textMatching(/^(rediss?:\/\/\S+|\/.+)$/, 'redis://…, rediss://… or the path of a socket')
const hashTag = textMatching(/^[^{}]*\{[^{}]+\}[^{}]*$/, 'a prefix with one hash tag, such as {alex}')
const LONGEST_S = 20 * 86_400

export const Config = z.strictObject({
  api_key: text().optional().register(settings, {
    env: 'OPENAI_API_KEY',
    secret: true,
    meaning: 'Key of the model provider; local endpoints need none',
  }),
  base_url: http.optional().register(settings, {
    env: 'OPENAI_BASE_URL',
    defaultText: "OpenAI's when there is a key; with neither, the offline model answers",
    meaning: 'Any OpenAI-compatible endpoint',
  }),
  model: text()
    .default('gpt-4o-mini')
    .register(settings, { env: 'ALEX_MODEL', meaning: 'Model of tasks that name none' }),
  fallback_models: list().default([]).register(settings, {
    env: 'ALEX_FALLBACK_MODELS',
    meaning: 'Tried in order when a model is overloaded',
  }),
  max_tokens: whole(1, 1_000_000)
    .default(4096)
    .register(settings, { env: 'ALEX_MAX_TOKENS', meaning: 'Longest single answer, in tokens' }),
  prices: priceTable().default({}).register(settings, {
    defaultText: 'what is known of the provider',
    meaning:
      'USD per million tokens, by model: `{"my-model": {"input": 0.5, "output": 2, "cached": 0.1}}`; goes before what is known',
  }),
  context_window: whole(1024, 100_000_000).optional().register(settings, {
    env: 'ALEX_CONTEXT_WINDOW',
    defaultText: 'what is known of the model, else 128000',
    meaning: 'Tokens the model can read',
  }),
  max_iterations: whole(1, 1000)
    .default(10)
    .register(settings, { env: 'ALEX_MAX_ITERATIONS', meaning: 'Model turns a task may take' }),
  temperature: decimal(0, 2)
    .optional()
    .register(settings, { env: 'ALEX_TEMPERATURE', defaultText: "the provider's", meaning: 'Sampling' }),
  task_timeout_s: decimal(0.001, LONGEST_S).default(3600).register(settings, {
    env: 'ALEX_TASK_TIMEOUT_S',
    meaning: 'Seconds from its first start after which a task fails',
  }),
  tavily_api_key: text()
    .optional()
    .register(settings, { env: 'TAVILY_API_KEY', secret: true, meaning: 'Key for web search' }),
  tavily_base_url: http.default('https://api.tavily.com').register(settings, {
    env: 'TAVILY_BASE_URL',
    meaning: "Where web search asks; Tavily's own or a proxy",
  }),
  enable_mcp: flag()
    .default(true)
    .register(settings, { env: 'ALEX_ENABLE_MCP', meaning: 'Start MCP servers and offer their tools' }),
  enable_git_tools: flag()
    .default(true)
    .register(settings, { env: 'ALEX_ENABLE_GIT_TOOLS', meaning: 'Offer the git tools' }),
  mcp_config: path().register(settings, {
    env: 'ALEX_MCP_CONFIG',
    path: true,
    defaultText: '~/.alex/mcp-config.json',
    meaning: 'Which MCP servers there are',
  }),
  agent_preset: text()
    .default('default')
    .register(settings, { env: 'ALEX_AGENT_PRESET', meaning: 'Agent preset of tasks that name none' }),
  tool_preset: text()
    .default('full')
    .register(settings, { env: 'ALEX_TOOL_PRESET', meaning: 'Tool preset of tasks that name none' }),
  workspace_dir: path().register(settings, {
    env: 'ALEX_WORKSPACE_DIR',
    path: true,
    defaultText: 'the current folder (deploy.sh: the checkout)',
    meaning: 'Where tools work; `per-session` gives each session a folder of its own',
  }),
  sandbox: choice(['auto', 'required', 'off']).default('auto').register(settings, {
    env: 'ALEX_SANDBOX',
    meaning: 'auto, required or off: bubblewrap around commands, programs and git',
  }),
  sandbox_network: choice(['none', 'full'])
    .default('none')
    .register(settings, { env: 'ALEX_SANDBOX_NETWORK', meaning: 'none or full: network inside the sandbox' }),
  session_dir: path().register(settings, {
    env: 'ALEX_SESSION_DIR',
    path: true,
    defaultText: '~/.alex-sessions; `sessions` below ALEX_HOME when that is set',
    meaning: 'Session history, one file each',
  }),
  cost_dir: path().register(settings, {
    env: 'ALEX_COST_DIR',
    path: true,
    defaultText: '~/.alex-costs; `costs` below ALEX_HOME when that is set',
    meaning: 'Cost records',
  }),
  verbose: flag().default(false).register(settings, { env: 'ALEX_VERBOSE', meaning: 'Log at debug level' }),
  log_format: choice(['pretty', 'json']).register(settings, {
    env: 'ALEX_LOG_FORMAT',
    defaultText: 'pretty on a terminal, else json',
    meaning: 'pretty or json',
  }),
  host: text().default('127.0.0.1').register(settings, {
    env: 'HOST',
    meaning: 'Address of the API; others than loopback need `api_tokens`',
  }),
  port: whole(0, 65_535).default(8080).register(settings, { env: 'PORT', meaning: 'Port of the API' }),
  redis_url: redis.optional().register(settings, {
    env: 'REDIS_URL',
    secret: true,
    defaultText: 'none: a private Redis is started',
    meaning: 'Redis or Valkey to use',
  }),
  redis_password: text().optional().register(settings, {
    env: 'REDIS_PASSWORD',
    secret: true,
    meaning: 'Password for `redis_url` when it holds none; not for a socket',
  }),
  redis_prefix: hashTag
    .default('{alex}')
    .register(settings, { env: 'ALEX_REDIS_PREFIX', meaning: 'Begins every key; needs one hash tag' }),
  redis_fsync: choice(['everysec', 'always']).default('everysec').register(settings, {
    env: 'ALEX_REDIS_FSYNC',
    meaning: 'Of the private Redis: `always` loses nothing when the machine crashes, `everysec` up to 2 s',
  }),
  worker_concurrency: whole(1, 1000)
    .default(10)
    .register(settings, { env: 'ALEX_WORKER_CONCURRENCY', meaning: 'Tasks a worker runs at once' }),
  worker_port: whole(0, 65_535).default(0).register(settings, {
    env: 'ALEX_WORKER_PORT',
    defaultText: '0: any free port, announced in the heartbeat',
    meaning: "Port of a worker's own health and metrics",
  }),
  shutdown_grace_s: decimal(0, 3600).default(20).register(settings, {
    env: 'ALEX_SHUTDOWN_GRACE_S',
    meaning: 'Seconds a stopping worker may use to finish its step',
  }),
  retention_days: decimal(0.000_01, 36_500)
    .default(7)
    .register(settings, { env: 'ALEX_RETENTION_DAYS', meaning: 'Days ended work stays in Redis' }),
  api_tokens: list().default([]).register(settings, {
    env: 'ALEX_API_TOKENS',
    secret: true,
    meaning: 'Bearer tokens that open the API',
  }),
  allowed_hosts: list().default([]).register(settings, {
    env: 'ALEX_ALLOWED_HOSTS',
    defaultText: 'loopback names',
    meaning: 'Host headers answered besides loopback names',
  }),
  metrics_public: flag()
    .default(false)
    .register(settings, { env: 'ALEX_METRICS_PUBLIC', meaning: 'Serve /metrics without a token' }),
  allow_anonymous: flag().default(false).register(settings, {
    env: 'ALEX_ALLOW_ANONYMOUS',
    meaning: 'Listen beyond loopback although there are no `api_tokens`',
  }),
  home: path().register(settings, {
    env: 'ALEX_HOME',
    path: true,
    defaultText: '~/.alex',
    meaning: 'Folder for all that ALEX keeps',
  }),
  url: http.optional().register(settings, {
    env: 'ALEX_URL',
    defaultText: '`host` and `port`',
    meaning: 'Where the command line finds the API',
  }),
  token: text().optional().register(settings, {
    env: 'ALEX_TOKEN',
    secret: true,
    defaultText: 'the first of `api_tokens`, for no other API than the own',
    meaning: 'Bearer token the command line sends',
  }),
})
export type Config = z.infer<typeof Config>
export type ConfigKey = keyof Config

export const CONFIG_KEYS = Config.keyof().options

export const settingOf = (key: ConfigKey): Setting => {
  const setting = settings.get(Config.shape[key])
  if (setting === undefined) throw new Error(`setting ${key} is not described`)
  return setting
}
