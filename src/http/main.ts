/** The API process: REST, SSE, health. Any number may run beside each other. */
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import closeWithGrace from 'close-with-grace'
import { AGENT_PRESETS, describePresets, TOOL_PRESETS } from '../agent/presets.ts'
import { createPrices } from '../agent/prices.ts'
import { loadConfigOrExit, namedModels, openTelemetryEnvironment, secretsOf } from '../config.ts'
import { messageOf } from '../errors.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { onParentGone } from '../parent-watch.ts'
import { createRedactor } from '../redact.ts'
import { connectRedis } from '../redis.ts'
import { createArchive } from '../tasks/archive.ts'
import { createCancelledCalls } from '../tasks/cancelled-calls.ts'
import { createCostService } from '../tasks/cost-service.ts'
import { createFeed } from '../tasks/feed.ts'
import { createFleet } from '../tasks/fleet.ts'
import { startPresence } from '../tasks/presence.ts'
import { createTicketQueue } from '../tasks/queue.ts'
import { openSessionFolder } from '../tasks/session-folder.ts'
import { createSessionService } from '../tasks/session-service.ts'
import { createStore, LEASE_MS } from '../tasks/store.ts'
import { createTaskService } from '../tasks/task-service.ts'
import { createView } from '../tasks/view.ts'
import type { Rhythm } from '../tick.ts'
import { startTracing } from '../tracing.ts'
import { readVersion } from '../version.ts'
import { createApp } from './app.ts'
import { createEventStream } from './event-stream.ts'
import { createHttpServer } from './http-server.ts'
import { toolNames } from './tool-names.ts'

/** Milliseconds in which the process has closed, streams and all. */
const CLOSE_MS = 5000

const { config } = loadConfigOrExit()
const redact = createRedactor(secretsOf(config))
const log = (await createLog({ verbose: config.verbose, format: config.log_format, redact })).child({
  process: 'api',
})
if (config.redis_url === undefined) {
  process.stderr.write('This process needs REDIS_URL. `npm start` brings a Redis of its own.\n')
  process.exit(78)
}

const stopping = new AbortController()
const version = readVersion()
const processId = `api-${hostname()}-${process.pid}-${randomBytes(2).toString('hex')}`
const tracing = await startTracing({
  environment: openTelemetryEnvironment(),
  service: 'alex-api',
  version,
  instance: processId,
  redact,
  log,
})
const rhythm: Rhythm = { everyS: 1 }
const metrics = createMetrics({ version, models: namedModels(config), rhythm })
const redis = connectRedis(config.redis_url, 'hasty', log)
const subscriber = connectRedis(config.redis_url, 'subscriber', log, () =>
  feed.isListening() ? 1 : undefined,
)
const store = createStore({ redis, prefix: config.redis_prefix, leaseMs: LEASE_MS })
const queue = createTicketQueue({ redis, prefix: config.redis_prefix, log })
const feed = createFeed({ subscriber, store, log })
const fleet = createFleet({ store, log, self: { host: hostname(), port: config.port }, rhythm })
const folder = openSessionFolder({ sessionDir: config.session_dir, costDir: config.cost_dir })
const archive = createArchive({ store, folder, log })
const presence = startPresence({
  keeping: store.keeping,
  folder,
  processId,
  log,
})
const tasks = createTaskService({
  store,
  queue,
  feed,
  archive,
  defaults: config,
  presets: { agent: AGENT_PRESETS.map(({ name }) => name), tool: TOOL_PRESETS.map(({ name }) => name) },
  prices: createPrices({
    prices: config.prices,
    baseUrl: config.base_url,
    offline: config.api_key === undefined && config.base_url === undefined,
  }),
  redact,
  stopping: stopping.signal,
})
const app = createApp({
  tasks,
  sessions: createSessionService({ store, archive, redact }),
  costs: createCostService({ store, archive }),
  fleet,
  presets: async () =>
    describePresets(
      await toolNames({ git: config.enable_git_tools }),
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
    log,
  }),
  cancelledCalls: createCancelledCalls({ store, subscriber, log }),
  access: {
    tokens: config.api_tokens,
    allowedHosts: config.allowed_hosts,
    metricsPublic: config.metrics_public,
  },
  redact,
  log,
  metrics,
  // As it stands in the checkout, and beside the built server.
  webFolder: join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? '../../dist/web' : '../../web'),
  version,
  host: hostname(),
  isDraining: () => stopping.signal.aborted,
  tracing,
  stopping: stopping.signal,
})

const server = createHttpServer(app)
server.on('error', (error) => {
  process.stderr.write(`The API cannot listen on ${config.host}:${config.port}: ${messageOf(error)}\n`)
  process.exit(1)
})
server.listen(config.port, config.host, () => {
  log.info({ host: config.host, port: config.port, version }, '[DI] API listening')
})
const { close } = closeWithGrace({ delay: CLOSE_MS, logger: false }, async ({ err }) => {
  if (err) log.error({ err: messageOf(err), stack: err.stack }, '[DI] API broke')
  log.info({}, '[DI] API closing')
  stopping.abort()
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  // A stream's connection is idle only once it has ended; a client that keeps it would hold us up for seconds.
  const closeIdle = setInterval(() => server.closeIdleConnections(), 50)
  server.closeIdleConnections()
  await closed
  clearInterval(closeIdle)
  presence[Symbol.dispose]()
  fleet[Symbol.dispose]()
  feed[Symbol.dispose]()
  redis.disconnect()
  await tracing.close()
})
onParentGone(close)
