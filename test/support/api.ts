import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AGENT_PRESETS, describePresets, TOOL_PRESETS } from '../../src/agent/presets.ts'
import { createPrices, type PriceOptions } from '../../src/agent/prices.ts'
import { createToolbox } from '../../src/agent/tools/registry.ts'
import { createSandbox } from '../../src/agent/tools/sandbox.ts'
import { createApp } from '../../src/http/app.ts'
import { createEventStream } from '../../src/http/event-stream.ts'
import { createHttpServer } from '../../src/http/http-server.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createRedactor } from '../../src/redact.ts'
import { createCancelledCalls } from '../../src/tasks/cancelled-calls.ts'
import { createCostService } from '../../src/tasks/cost-service.ts'
import { createFleet } from '../../src/tasks/fleet.ts'
import { startPresence } from '../../src/tasks/presence.ts'
import { createSessionService } from '../../src/tasks/session-service.ts'
import { createTaskService } from '../../src/tasks/task-service.ts'
import { createView } from '../../src/tasks/view.ts'
import { documentedFetch } from './documented.ts'
import { openStore, quietLog } from './redis.ts'

export interface ApiOptions {
  /** Joins the keys of another part of the same test. */
  prefix?: string
  url?: string
  tokens?: string[]
  allowedHosts?: string[]
  secrets?: string[]
  prices?: PriceOptions['prices']
  /** Where sessions are in files; without it none is. */
  sessionDir?: string
  /** Of a built web console; without it there is none. */
  webFolder?: string
}

/** The API over real HTTP on a free port, on the run's real Redis, composed as `src/http/main.ts` does. */
export const startApi = async (options: ApiOptions = {}) => {
  const open = openStore(options)
  const { store, queue, feed, archive, subscriber } = open
  const redact = createRedactor(options.secrets ?? [])
  const metrics = createMetrics({ version: 'test' })
  const fleet = createFleet({ store, log: quietLog })
  const none = { closedDirs: [], env: {} }
  const toolbox = createToolbox({
    ...none,
    sandbox: await createSandbox({ ...none, mode: 'off', network: 'none' }),
  })
  const stopping = new AbortController()
  const presence =
    options.sessionDir === undefined
      ? null
      : startPresence({ keeping: store.keeping, folder: open.folder, processId: randomUUID(), log: quietLog })
  const app = createApp({
    tasks: createTaskService({
      store,
      queue,
      feed,
      archive,
      defaults: {
        model: 'gpt-4o-mini',
        agent_preset: 'default',
        tool_preset: 'full',
        max_iterations: 10,
        task_timeout_s: 3600,
      },
      presets: { agent: AGENT_PRESETS.map(({ name }) => name), tool: TOOL_PRESETS.map(({ name }) => name) },
      prices: createPrices({ prices: options.prices ?? {}, offline: false }),
      redact,
      stopping: stopping.signal,
    }),
    sessions: createSessionService({ store, archive, redact }),
    costs: createCostService({ store, archive }),
    fleet,
    presets: async () =>
      describePresets(
        toolbox.names,
        (await fleet.snapshot()).workers.flatMap(({ mcp_tools = [] }) => mcp_tools),
      ),
    eventStream: createEventStream({
      store,
      feed,
      archive,
      view: createView(redact),
      redact,
      metrics: metrics.ofApi(),
      stopping: stopping.signal,
      log: quietLog,
    }),
    cancelledCalls: createCancelledCalls({ store, subscriber, log: quietLog }),
    access: {
      tokens: options.tokens ?? [],
      allowedHosts: options.allowedHosts ?? [],
      metricsPublic: false,
    },
    redact,
    log: quietLog,
    metrics,
    webFolder: options.webFolder ?? join(tmpdir(), 'no-web-console'),
    version: 'test',
    host: 'here',
    isDraining: () => stopping.signal.aborted,
    stopping: stopping.signal,
  })
  const server = createHttpServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const stop = async () => {
    stopping.abort()
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
  }
  return {
    ...open,
    url,
    url_redis: open.url,
    fleet,
    routes: app.routes,
    /** Fails when the answer is not as `/openapi.json` says. */
    request: (path: string, init?: RequestInit) => documentedFetch(`${url}${path}`, init),
    /** As at SIGTERM; what Redis has stays. */
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
      presence?.[Symbol.dispose]()
      fleet[Symbol.dispose]()
      await open[Symbol.asyncDispose]()
    },
  }
}
