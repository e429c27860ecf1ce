/** The file that says which MCP servers there are. One bad entry is that server's problem alone. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { messageOf } from '../../errors.ts'

export interface StdioServer {
  kind: 'stdio'
  command: string
  args: string[]
  env: Record<string, string>
}

export interface HttpServer {
  kind: 'http'
  url: string
  headers: Record<string, string>
}

export interface ServerConfig {
  name: string
  transport: StdioServer | HttpServer
  /** Whether a tool that calls itself read-only is taken for one. */
  trustAnnotations: boolean
  /** Values of headers, environment and variables: none of them belongs in a log. */
  values: string[]
  /** Those among them that are secrets going by their names; what tools return must not hold them either. */
  secrets: string[]
}

export type ServerEntry = ServerConfig | { name: string; problem: string }

export type McpConfig =
  | { kind: 'servers'; servers: ServerEntry[] }
  | { kind: 'absent' }
  | { kind: 'broken'; problem: string }

const common = {
  disabled: z.boolean().default(false),
  trust_annotations: z.boolean().default(true),
}
const StdioEntry = z.strictObject({
  ...common,
  type: z.literal('stdio').optional(),
  command: z.string().min(1),
  args: z.array(z.string()).default([]),
  env: z.record(z.string(), z.string()).default({}),
})
const HttpEntry = z.strictObject({
  ...common,
  type: z.enum(['http', 'streamable-http', 'streamableHttp']).optional(),
  url: z.string().min(1),
  headers: z.record(z.string(), z.string()).default({}),
})
const File = z.strictObject({
  $schema: z.string().optional(),
  mcpServers: z.record(z.string().min(1), z.unknown()),
})

/**
 * Disabled servers are left out; the rest comes in order of name. `${VAR}` is taken from `env`, where an empty
 * value counts as none.
 */
export const readMcpConfig = async (
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<McpConfig> => {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { kind: 'absent' }
    return { kind: 'broken', problem: `${path} cannot be read: ${messageOf(error)}` }
  }
  const file = File.safeParse(parsed(text))
  if (!file.success) return { kind: 'broken', problem: `${path} is not valid: ${problemsOf(file.error)}` }
  const names = Object.keys(file.data.mcpServers).toSorted(byCodeUnits)
  const servers = names.map((name) => serverOf(name, file.data.mcpServers[name], env))
  return { kind: 'servers', servers: servers.filter((server) => server !== undefined) }
}

export const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : Number(a > b))

/** What is no JSON is undefined: the message of `JSON.parse` would quote the file, and keys with it. */
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const problemsOf = (error: z.ZodError): string =>
  error.issues
    .map(({ path, message, code }) => {
      if (path.length > 0) return `${path.join('.')}: ${message}`
      return code === 'invalid_type' ? 'not a JSON object' : message
    })
    .join('; ')

const serverOf = (
  name: string,
  entry: unknown,
  env: Readonly<Record<string, string | undefined>>,
): ServerEntry | undefined => {
  const remote = typeof entry === 'object' && entry !== null && 'url' in entry
  const result = remote ? HttpEntry.safeParse(entry) : StdioEntry.safeParse(entry)
  if (!result.success) return { name, problem: `its entry is not valid: ${problemsOf(result.error)}` }
  const { disabled, trust_annotations: trustAnnotations } = result.data
  if (disabled) return undefined

  const filler = createFiller(env)
  const transport = transportOf(result.data, filler)
  if (filler.missing.size > 0)
    return { name, problem: `not set in the environment: ${[...filler.missing].join(', ')}` }
  if (transport.kind === 'http' && !/^https?:\/\/./.test(transport.url))
    return { name, problem: 'its url must begin with http:// or https://' }
  if (transport.kind === 'http' && !URL.canParse(transport.url))
    return { name, problem: 'its url is not valid' }
  const given = [
    ...Object.entries(transport.kind === 'stdio' ? transport.env : transport.headers),
    ...filler.used,
  ]
  return {
    name,
    transport,
    trustAnnotations,
    values: given.flatMap(([, value]) => forms(value)),
    secrets: given.filter(([key]) => SECRET_NAME.test(key)).flatMap(([, value]) => forms(value)),
  }
}

/** Of variables: paths and words whose masking would only make a log unreadable. */
const HARMLESS = new Set(['HOME', 'PWD', 'PATH', 'TMPDIR', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'TZ'])
const SECRET_NAME = /key|token|secret|pass|credential|auth|cookie/i

/** Behind the scheme of a header stands what may be met again: `Bearer <token>`. */
const forms = (value: string): string[] => [value, value.replace(/^\w+ +/, '')]

const transportOf = (
  entry: z.infer<typeof StdioEntry> | z.infer<typeof HttpEntry>,
  { fill }: ReturnType<typeof createFiller>,
): StdioServer | HttpServer => {
  const fillAll = (record: Record<string, string>) =>
    Object.fromEntries(Object.entries(record).map(([key, value]) => [key, fill(value)]))
  return 'url' in entry
    ? { kind: 'http', url: fill(entry.url), headers: fillAll(entry.headers) }
    : { kind: 'stdio', command: fill(entry.command), args: entry.args.map(fill), env: fillAll(entry.env) }
}

const createFiller = (env: Readonly<Record<string, string | undefined>>) => {
  const missing = new Set<string>()
  const used = new Map<string, string>()
  const fill = (text: string): string =>
    text.replaceAll(/\$\{([^}]*)\}/g, (_, name: string) => {
      const value = env[name] ?? ''
      if (value === '') missing.add(name)
      else if (!HARMLESS.has(name)) used.set(name, value)
      return value
    })
  return { fill, missing, used }
}
