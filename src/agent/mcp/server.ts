/** One configured MCP server for as long as the worker lives: connected, lost, started again. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '../../log.ts'
import { createRedactor } from '../../redact.ts'
import { type Connection, type ConnectionOptions, openConnection } from './connection.ts'
import type { Listing } from './listing.ts'
import type { ServerConfig } from './mcp-config.ts'

export interface ServerOptions extends Omit<ConnectionOptions, 'signal' | 'onListing'> {
  server: ServerConfig
  /** First wait after a failure; each further one is twice as long, up to `maxRetryMs`. Milliseconds. */
  retryMs: number
  maxRetryMs: number
  /** A connection that held this long was a good one: the next failure is a first one again. Milliseconds. */
  stableMs: number
  /** Its tools or its state are others now. */
  onChange: () => void
  /** A start has led to a connection or failed; `again` after a connection that was lost. */
  onStart?: (server: string, again: boolean) => void
  log: Log
}

export interface McpServer {
  name: string
  /** Of the present connection, or of the last one. */
  listing(): Listing
  connection(): Connection | undefined
  /** Why it is not connected, in a few words; undefined while it is. */
  trouble(): string | undefined
  /** Starts since it last was well, the present one included. */
  attempts(): number
  /** Resolves when its process is dead or its session ended. */
  close(): Promise<void>
}

const REASON_CHARS = 200

/** Starts at once, and again whenever it fails or is lost. Returns without waiting for it. */
export const startServer = (options: ServerOptions): McpServer => {
  const { server, guard, log, onChange } = options
  const { name } = server
  const redact = createRedactor(server.values)
  const stopping = new AbortController()
  const { signal } = stopping
  const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  let connection: Connection | undefined
  let listing: Listing = { tools: [], notOffered: {} }
  let trouble: string | undefined = 'starting'
  let attempts = 0
  let lost = false

  const set = (next: Connection | undefined, why: string | undefined): void => {
    connection = next
    trouble = why
    onChange()
  }
  const take = (next: Listing): void => {
    listing = next
    log.info({ server: name, tools: next.tools.length }, `[MCP] the tools of ${name} changed`)
    onChange()
  }
  const plain = (reason: string): string => redact(reason).slice(0, REASON_CHARS)

  const live = async (): Promise<void> => {
    while (!signal.aborted) {
      attempts += 1
      const again = lost
      const opened = await openConnection({ ...options, signal, onListing: take })
      if (!opened.ok && opened.loss.lease) {
        // No fault of the server's: it was not even started.
        attempts -= 1
        set(undefined, 'waiting for a confirmed heartbeat of this worker')
        await Promise.race([guard.beaten(), stopped])
        continue
      }
      options.onStart?.(name, again)
      lost = opened.ok
      const loss = opened.ok ? await hold(opened.connection) : opened.loss
      if (signal.aborted) return
      const reason = plain(loss.reason)
      set(undefined, `${reason} (attempt ${attempts})`)
      if (loss.lease) {
        log.warn({ server: name }, `[MCP] ${name} was ended: ${reason}`)
        attempts = 0
        await Promise.race([guard.beaten(), stopped])
        continue
      }
      const waitMs = Math.min(options.maxRetryMs, options.retryMs * 2 ** (attempts - 1))
      const jittered = Math.round(waitMs * (0.8 + 0.4 * Math.random()))
      const when = `tried again in ${(jittered / 1000).toFixed(1)} s`
      log.warn({ server: name, attempts }, `[MCP] ${name} is not connected: ${reason}; ${when}`)
      await pause(jittered, undefined, { signal }).catch(() => {})
    }
  }

  const hold = async (opened: Connection) => {
    const since = performance.now()
    listing = opened.listing
    log.info({ server: name, tools: listing.tools.length, attempts }, `[MCP] ${name} connected`)
    set(opened, undefined)
    const stop = () => void opened.close()
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    const loss = await opened.lost
    signal.removeEventListener('abort', stop)
    if (performance.now() - since >= options.stableMs) attempts = 1
    return loss
  }

  const ended = live()
  return {
    name,
    listing: () => listing,
    connection: () => connection,
    trouble: () => trouble,
    attempts: () => attempts,
    async close() {
      stopping.abort()
      await ended
    },
  }
}
