/** One connection to one MCP server, from its start until it is lost. */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  type CallToolResult,
  CallToolResultSchema,
  McpError,
  type Progress,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import type { Guard } from '../tools/guard.ts'
import { createGuardTransport, type GuardTransport } from './guard-transport.ts'
import { type Listing, listTools } from './listing.ts'
import type { ServerConfig } from './mcp-config.ts'
import { isTimeout, reasonOf } from './reason.ts'

export interface ConnectionOptions {
  server: ServerConfig
  guard: Guard
  /** Of every stdio server, below its own. */
  env: Readonly<Record<string, string>>
  /** Of stdio servers. */
  cwd: string
  version: string
  /** For the start, tool list and all. */
  initMs: number
  /** Between looks whether an idle server still answers. */
  pingMs: number
  /** The server's tools are others now. */
  onListing: (listing: Listing) => void
  signal: AbortSignal
}

/** Why there is no connection, or none any more. `lease`: the worker had none; not the server's fault. */
export interface Loss {
  reason: string
  lease: boolean
}

export interface Connection {
  listing: Listing
  /** Resolves when the connection is lost or closed. Never rejects. */
  lost: Promise<Loss>
  isLost(): boolean
  /** Rejects with what the SDK rejects with; `isLost()` tells whether the connection went with it. */
  call(name: string, args: Record<string, unknown>, options: CallOptions): Promise<CallToolResult>
  close(): Promise<void>
}

export interface CallOptions {
  signal: AbortSignal
  /** Milliseconds without an answer or progress. */
  idleMs: number
  onProgress: (progress: Progress) => void
}

const PING_TIMEOUT_MS = 10_000
const CLOSE_MS = 1_500

/** `ok: false` when it cannot be made within `initMs`; nothing is left of it then. */
export const openConnection = async (
  options: ConnectionOptions,
): Promise<{ ok: true; connection: Connection } | { ok: false; loss: Loss }> => {
  const { server, initMs, signal } = options
  const client = new Client({ name: 'alex', version: options.version }, { capabilities: {} })
  const { transport, lossOf } = transportFor(options)
  const lost = Promise.withResolvers<Loss>()
  let isLost = false
  let calls = 0
  let why: string | undefined

  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK's client is no event target
  client.onclose = () => {
    isLost = true
    lost.resolve(why === undefined ? (lossOf() ?? CLOSED) : { reason: why, lease: false })
  }
  const close = async (reason: string): Promise<void> => {
    why ??= reason
    if (transport instanceof StreamableHTTPClientTransport && !isLost)
      await bounded(transport.terminateSession())
    await bounded(client.close())
    if (!isLost) client.onclose?.()
  }

  const timing = new AbortController()
  const done = new AbortController()
  const timer = setTimeout(() => timing.abort(), initMs)
  const starting = AbortSignal.any([signal, timing.signal])
  const request = { timeout: initMs, signal: starting }
  const follow = createFollower(client, options, () => isLost)
  try {
    // The SDK's own time-out does not cover all of it (the notification after the handshake).
    const listing = await Promise.race([
      client.connect(transport, request).then(async () => listTools(client, request)),
      aborted(starting, done.signal),
    ])
    void watch()
    const connection: Connection = {
      listing,
      lost: lost.promise,
      isLost: () => isLost,
      async call(name, args, { signal: stop, idleMs, onProgress }) {
        calls += 1
        try {
          // Not `client.callTool`, which rejects a result that does not fit the tool's own output schema:
          // the call was made, and what came of it is for the model to read.
          return await client.request(
            { method: 'tools/call', params: { name, arguments: args } },
            CallToolResultSchema,
            {
              signal: stop,
              timeout: idleMs,
              resetTimeoutOnProgress: true,
              onprogress: onProgress,
            },
          )
        } finally {
          calls -= 1
        }
      },
      close: () => close('closed'),
    }
    follow.begin()
    return { ok: true, connection }
  } catch (error) {
    const reason = timing.signal.aborted ? `no answer within ${initMs / 1000} s` : reasonOf(error)
    const ended = isLost
    await close(reason)
    return { ok: false, loss: (ended ? lossOf() : undefined) ?? { reason, lease: false } }
  } finally {
    clearTimeout(timer)
    done.abort()
  }

  /** Finds out about a server that hangs, or that is away without having said so. */
  async function watch(): Promise<void> {
    let wake = new AbortController()
    let trouble = false
    void lost.promise.then(() => wake.abort())
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK's client is no event target
    client.onerror = () => {
      // Only over HTTP: there a lost server shows in nothing else.
      trouble ||= server.transport.kind === 'http'
      if (trouble) wake.abort()
    }
    for (;;) {
      await pause(options.pingMs, undefined, { signal: wake.signal }).catch(() => {})
      if (isLost) return
      // A server busy with a call may have no time to answer; the call has a limit of its own.
      if (!trouble && calls > 0) continue
      const problem = await ping()
      if (problem !== undefined) await close(problem)
      if (isLost) return
      trouble = false
      wake = new AbortController()
    }
  }

  async function ping(): Promise<string | undefined> {
    try {
      await client.ping({ timeout: Math.min(PING_TIMEOUT_MS, initMs) })
      return undefined
    } catch (error) {
      // That it does not know the method is an answer too.
      if (!(error instanceof McpError) || isLost) return reasonOf(error)
      return isTimeout(error) ? 'it does not answer any more' : undefined
    }
  }
}

/** Reads the tools again when the server says that they changed; once more when it says so meanwhile. */
const createFollower = (
  client: Client,
  { initMs, signal, onListing }: ConnectionOptions,
  isLost: () => boolean,
) => {
  let begun = false
  let wanted = false
  let reading = false

  const read = async (): Promise<void> => {
    wanted = true
    if (!begun || reading) return
    reading = true
    while (wanted && !isLost()) {
      wanted = false
      // One that fails leaves the list as it was; the ping finds out when the server is gone.
      await listTools(client, { timeout: initMs, signal }).then(onListing, () => {})
    }
    reading = false
  }
  client.setNotificationHandler(ToolListChangedNotificationSchema, read)
  return {
    begin(): void {
      begun = true
      if (wanted) void read()
    },
  }
}

const transportFor = (
  options: ConnectionOptions,
): { transport: Transport; lossOf: () => Loss | undefined } => {
  const { server, guard, env, cwd } = options
  const { transport: settings } = server
  if (settings.kind === 'http') {
    const transport = new StreamableHTTPClientTransport(new URL(settings.url), {
      requestInit: { headers: settings.headers },
    })
    return { transport, lossOf: () => undefined }
  }
  const transport = createGuardTransport(guard, {
    key: `mcp/${randomUUID()}`,
    argv: [settings.command, ...settings.args],
    cwd,
    env: { ...env, ...settings.env },
  })
  return { transport, lossOf: () => lossOfProcess(transport) }
}

const CLOSED: Loss = { reason: 'the connection was closed', lease: false }

const lossOfProcess = (transport: GuardTransport): Loss | undefined => {
  const fault = transport.fault()
  if (fault !== undefined) return { reason: fault, lease: false }
  const result = transport.result()
  if (result === undefined) return undefined
  const { killedBy, exitCode, signal, stderr } = result
  if (killedBy === 'lease') return { reason: 'the worker has no confirmed heartbeat', lease: true }
  if (killedBy === 'guard') return { reason: 'the guard of its process died', lease: false }
  if (stderr.startsWith('cannot start')) return { reason: stderr, lease: false }
  const lines = stderr.trimEnd().split('\n')
  const told = lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? ''
  const how =
    exitCode === null ? `it was killed by ${signal ?? 'a signal'}` : `it ended with exit code ${exitCode}`
  return { reason: told === '' ? how : `${how}: ${told.trim()}`, lease: false }
}

/** Rejects when the signal aborts, unless `done` did before. */
const aborted = (signal: AbortSignal, done: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const stop = () => reject(new Error('stopped'))
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true, signal: done })
  })

const bounded = async (closing: Promise<void>): Promise<void> => {
  const done = new AbortController()
  const limit = pause(CLOSE_MS, undefined, { signal: done.signal })
  await Promise.race([closing, limit]).catch(() => {})
  done.abort()
  await limit.catch(() => {})
}
