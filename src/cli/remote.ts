/** The service as the command line reaches it: through the client, at the address and with the token it was given. */
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { type AlexClient, AlexError, createClient } from '../client/client.ts'
import { type Config, type LoadedConfig, loadConfigOrExit } from '../config.ts'
import { messageOf } from '../errors.ts'
import { complain, EXIT, UsageError } from './exit.ts'
import { printable } from './output.ts'

export interface RemoteOptions {
  url?: string
  tokenFile?: string
  json?: boolean
}

export interface Remote {
  client: AlexClient
  url: string
}

/** Gives a command the options that say which service it asks. */
export const withRemoteOptions = (command: Command): Command =>
  command
    .option('--url <url>', 'where the API is; else ALEX_URL, else host and port of the configuration')
    .option('--token-file <file>', 'holds the bearer token; else ALEX_TOKEN')
    .option('--json', 'print JSON')

/** This machine's own service. */
export const localRemote = (config: Config): Remote => {
  const url = ownUrl(config)
  return {
    url,
    client: createClient({ baseUrl: url, token: config.token ?? config.api_tokens[0], retries: 0 }),
  }
}

/** What the service refuses, and that nobody answers, is said on stderr and in the exit code. */
export const withRemote = async (
  options: RemoteOptions,
  work: (remote: Remote) => number | Promise<number>,
  { retries = 1 }: { retries?: number } = {},
): Promise<number> => {
  const loaded = loadConfigOrExit({ argv: [] })
  for (const warning of loaded.warnings) process.stderr.write(`${warning}\n`)
  const { url, from } = addressOf(options, loaded)
  const token = tokenOf(options, loaded.config, url)
  try {
    return await work({ url, client: createClient({ baseUrl: url, token, retries }) })
  } catch (error) {
    if (!(error instanceof AlexError)) throw error
    if (error.status === 0)
      return complain(
        `nobody answers at ${url} (${from})\n` +
          'Start it with ./deploy.sh start or alex serve; if it is elsewhere, say where: --url or ALEX_URL.',
        EXIT.unreachable,
      )
    if (error.status === 401) return complain(tokenAdvice(url, token), EXIT.refused)
    return complain(printable(error.message), error.status < 500 ? EXIT.refused : EXIT.failed)
  }
}

const tokenAdvice = (url: string, token: string | undefined): string =>
  token === undefined
    ? `${url} wants a token: set ALEX_TOKEN, or --token-file FILE`
    : `${url} does not take this token: look at ALEX_TOKEN, or --token-file FILE`

const addressOf = (options: RemoteOptions, { config, sources }: LoadedConfig) => {
  if (options.url !== undefined) {
    if (!/^https?:\/\/./.test(options.url) || !URL.canParse(options.url))
      throw new UsageError(`--url must be a URL that begins with http:// or https://, not ${options.url}`)
    return { url: options.url.replace(/\/+$/, ''), from: 'as --url says' }
  }
  if (config.url !== undefined) return { url: config.url.replace(/\/+$/, ''), from: `from ${sources.url}` }
  return { url: ownUrl(config), from: `port from ${sources.port}` }
}

/** The tokens of one's own API are for nobody else. */
const tokenOf = (options: RemoteOptions, config: Config, url: string): string | undefined => {
  if (options.tokenFile !== undefined) return readToken(options.tokenFile)
  const isOwn = new URL(url).origin === new URL(ownUrl(config)).origin
  return config.token ?? (isOwn ? config.api_tokens[0] : undefined)
}

const readToken = (file: string): string => {
  try {
    const token = readFileSync(file, 'utf8').trim()
    if (token !== '') return token
  } catch (error) {
    throw new UsageError(`--token-file: ${messageOf(error)}`)
  }
  throw new UsageError(`--token-file: ${file} is empty`)
}

const EVERY_ADDRESS = ['0.0.0.0', '::', '[::]']

/** Where this machine reaches its API. */
const ownUrl = ({ host, port }: Pick<Config, 'host' | 'port'>): string => {
  if (host === '127.0.0.1' || EVERY_ADDRESS.includes(host)) return `http://localhost:${port}`
  return `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`
}
