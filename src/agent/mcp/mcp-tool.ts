/** A tool of an MCP server as a tool of ours. It outlives connections: a call goes to the one there is then. */
import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpError, type Progress } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import type { Tool, ToolContext, ToolOutput } from '../tools/tool.ts'
import type { Connection } from './connection.ts'
import type { ListedTool } from './listing.ts'
import { nullsAsMeant } from './null-arguments.ts'
import { offeredName } from './offered-name.ts'
import { isTimeout, reasonOf } from './reason.ts'
import { outputOf } from './result-text.ts'
import type { McpServer } from './server.ts'

export interface CallLimits {
  /** Milliseconds without an answer or progress. */
  idleMs: number
  /** Milliseconds in all. */
  totalMs: number
}

interface Options {
  server: McpServer
  listed: ListedTool
  trustAnnotations: boolean
  limits: CallLimits
  /** Masks the secrets of the server's entry. */
  redact: (text: string) => string
}

/** The registry's own limit only comes after ours. */
const GRACE_MS = 10_000

export const mcpTool = ({ server, listed, trustAnnotations, limits, redact }: Options): Tool => {
  const { name, description, inputSchema, readOnly } = listed
  const effect = readOnly && trustAnnotations ? 'read' : 'external'
  return {
    name: offeredName(server.name, name),
    description,
    parameters: z.looseObject({}),
    jsonSchema: inputSchema,
    effect,
    offered: server.connection() !== undefined,
    timeoutMs: () => limits.totalMs + GRACE_MS,
    async run(given, context) {
      const connection = server.connection()
      if (connection === undefined) return away(server)
      const args = nullsAsMeant(inputSchema, given)
      context.assertLease()
      const output = await call({ connection, server, name, args, effect, limits }, context)
      return { ...output, content: redact(output.content) }
    },
  }
}

interface Call {
  connection: Connection
  server: McpServer
  name: string
  args: Record<string, unknown>
  effect: 'read' | 'external'
  limits: CallLimits
}

const call = async (
  { connection, server, name, args, effect, limits }: Call,
  context: ToolContext,
): Promise<ToolOutput> => {
  const stop = new AbortController()
  const done = new AbortController()
  const total = setTimeout(() => stop.abort('the time limit'), limits.totalMs)
  // A controller of this call's own: the SDK never takes its listener off the signal it is given.
  context.signal.addEventListener('abort', () => stop.abort('the task was stopped'), { signal: done.signal })
  try {
    const onProgress = (progress: Progress) => context.stream(progressLine(progress))
    const { idleMs } = limits
    return outputOf(await connection.call(name, args, { signal: stop.signal, idleMs, onProgress }))
  } catch (error) {
    if (context.signal.aborted) throw error
    context.assertLease()
    const unsure = effect === 'read' ? '' : '; it may or may not have taken effect; check before repeating'
    const interrupted = (why: string): ToolOutput => ({
      content: `interrupted: ${why}${unsure}`,
      error: 'interrupted',
    })
    if (connection.isLost())
      return interrupted(
        `the MCP server ${server.name} was lost while this ran (${server.trouble() ?? 'it is back'})`,
      )
    if (stop.signal.aborted)
      return { content: `Stopped: not done within ${limits.totalMs / 1000} s${unsure}`, error: 'timeout' }
    if (isTimeout(error))
      return {
        content: `Stopped: neither an answer nor progress for ${limits.idleMs / 1000} s${unsure}`,
        error: 'timeout',
      }
    if (isRefusal(error)) return { content: `The call failed: ${reasonOf(error)}`, error: 'failed' }
    return interrupted(`the answer of the MCP server ${server.name} did not arrive (${reasonOf(error)})`)
  } finally {
    clearTimeout(total)
    done.abort()
  }
}

/** The server said no, or was never reached. */
const isRefusal = (error: unknown): boolean => {
  if (error instanceof McpError) return true
  if (error instanceof StreamableHTTPError)
    return error.code !== undefined && error.code >= 400 && error.code < 500
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause && NOT_REACHED.has(String(cause.code))
}

const NOT_REACHED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

const away = (server: McpServer): ToolOutput => ({
  content:
    `Not done: the MCP server ${server.name} is not connected (${server.trouble()}). ` +
    'It is started again by itself; try later or do without it.',
  error: 'not connected',
})

const progressLine = ({ progress, total, message }: Progress): string => {
  const counted = total === undefined ? `${progress}` : `${progress}/${total}`
  return message === undefined ? `${counted}\n` : `${counted} ${message}\n`
}
