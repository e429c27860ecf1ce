/** A worker process: takes tickets and runs tasks. Any number may run beside each other, on any machine. */
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import { renderSystemPrompt } from '../src/agent/prompts/system-prompt.ts'
import { runAgent } from '../src/agent/run-agent.ts'
import {
  loadConfigOrExit,
  namedModels,
  openTelemetryEnvironment,
  secretsOf,
  workspaceProblem,
} from '../src/config.ts'
import { messageOf } from '../src/errors.ts'
import { createLog } from '../src/log.ts'
import { createMetrics } from '../src/metrics.ts'
import { onParentGone } from '../src/parent-watch.ts'
import { createRedactor } from '../src/redact.ts'
import { connectRedis } from '../src/redis.ts'
import type { WorkerInfo } from '../src/schemas/health.ts'
import { createArchive } from '../src/tasks/archive.ts'
import { createKeepSession } from '../src/tasks/keep-session.ts'
import { startPresence } from '../src/tasks/presence.ts'
import { createTicketQueue } from '../src/tasks/queue.ts'
import { openSessionFolder } from '../src/tasks/session-folder.ts'
import { createStore, LEASE_MS } from '../src/tasks/store.ts'
import { createMirrorView } from '../src/tasks/view.ts'
import type { Rhythm } from '../src/tick.ts'
import { startTracing } from '../src/tracing.ts'
import { readVersion } from '../src/version.ts'
import { createActivations } from './activations.ts'
import { createComponents } from './components.ts'
import { createHeartbeat } from './heartbeat.ts'
import { startKeeper } from './keeper.ts'
import { createLiveness } from './liveness.ts'
import { createModels } from './models.ts'
import { observeEmitter, observeModel, observeState, observeStore } from './observe.ts'
import { startOpsServer } from './ops-server.ts'
import { createRunTask } from './run-task.ts'
import { createSpareMemory } from './spare-memory.ts'
import { takeTickets } from './take-tickets.ts'
import { createThrottle } from './throttle.ts'
import { createTodos } from './todos.ts'
import { createTools } from './tools.ts'
import { createTraceTask } from './trace-task.ts'
import { startWorker } from './worker.ts'

const loaded = loadConfigOrExit()
const { config } = loaded
const redact = createRedactor(secretsOf(config))
const workerId = `${hostname()}-${process.pid}-${randomBytes(2).toString('hex')}`
const log = (await createLog({ verbose: config.verbose, format: config.log_format, redact })).child({
  process: 'worker',
  worker: workerId,
})
const problem = workspaceProblem(loaded)
if (config.redis_url === undefined || problem !== undefined) {
  process.stderr.write(
    `${problem ?? 'This process needs REDIS_URL. `npm start` brings a Redis of its own.'}\n`,
  )
  process.exit(78)
}

const version = readVersion()
const startedAt = new Date().toISOString()
const leaving = new AbortController()
const DAY_MS = 86_400_000
const tracing = await startTracing({
  environment: openTelemetryEnvironment(),
  service: 'alex-worker',
  version,
  instance: workerId,
  redact,
  log,
})

const redis = connectRedis(config.redis_url, 'patient', log)
const subscriber = connectRedis(config.redis_url, 'subscriber', log, () => rhythm.everyS)
const rhythm: Rhythm = { everyS: 1 }
const metrics = createMetrics({ version, models: namedModels(config), rhythm })
const counted = metrics.ofWorker()
const store = observeStore(createStore({ redis, prefix: config.redis_prefix, leaseMs: LEASE_MS }), counted)
const queue = createTicketQueue({ redis, prefix: config.redis_prefix, log })
const activations = createActivations()
const throttle = createThrottle(
  (model, ms) => void store.tellWorkers({ throttle: { model, ms } }).catch(() => {}),
)

const models = createModels(config)
const { guard, sandbox, mcp, git, closedDirs, label, toolboxIn, workspaces } = await createTools({
  loaded,
  leaseMs: LEASE_MS,
  version,
  metrics: counted,
  // Whoever asks for it need not wait for the next beat.
  onMcpChange: () => void heartbeat.beat(),
  log,
})
const components = createComponents({
  offline: models.offline,
  sandbox: sandbox.describe(),
  git: git.state,
  mcp: mcp.state,
})
for (const { name, status, message } of components.states()) {
  const tag = name === 'mcp' ? '[MCP]' : name === 'git_tools' ? '[GitTools]' : '[DI]'
  log.info({ component: name, status }, `${tag} ${message}`)
}

const runTask = createRunTask({
  store,
  queue,
  activations,
  leaseMs: LEASE_MS,
  workerId,
  isDraining: () => leaving.signal.aborted,
  traceTask: createTraceTask({ tracing, provider: models.provider }),
  agentTask: (record) => ({
    task_id: record.id,
    session_id: record.session_id,
    ...(record.parent_task_id === undefined ? {} : { parent_task_id: record.parent_task_id }),
    task: record.task ?? record.head,
    agent_preset: record.agent_preset,
    tool_preset: record.tool_preset,
    models: models.namesFor(record.model),
    max_iterations: record.max_iterations,
    max_tokens: record.max_tokens ?? config.max_tokens,
    max_total_tokens: record.max_total_tokens,
    max_cost_usd: record.max_cost_usd,
    attempt: record.attempt,
    worker: workerId,
    resume_reason: record.resume_reason ?? 'worker_lost',
  }),
  async runAgent({ lease, assertLease, ...run }) {
    const workspace = await workspaces.of(run.task.session_id)
    return runAgent(
      {
        ...run,
        emitter: observeEmitter(components.watch(run.emitter), counted, {
          model: metrics.modelLabel,
          tool: label,
        }),
        model: observeModel(models.model, counted, metrics.modelLabel),
        throttle,
        toolContext: {
          workspace: workspace.path,
          assertLease,
          guard,
          todos: createTodos(store, run.task.session_id, lease),
        },
      },
      {
        toolbox: await toolboxIn(workspace),
        windowOf: models.windowOf,
        calibration: models.calibration,
        prices: models.prices,
        systemPrompt: (task, place, tools) =>
          renderSystemPrompt({
            preset: task.agent_preset,
            workspace: place,
            bare: workspace.bare,
            closedDirs,
            tools,
            now: new Date(),
          }),
      },
    )
  },
  log,
})

const ops = await startOpsServer({
  host: config.host,
  port: config.worker_port,
  health: () => components.health(redis.status === 'ready', version),
  notReady: () => (leaving.signal.aborted ? ['this worker is draining'] : []),
  metrics,
  access: {
    tokens: config.api_tokens,
    allowedHosts: config.allowed_hosts,
    metricsPublic: config.metrics_public,
  },
  redact,
  log,
})

const info = (): WorkerInfo => ({
  worker_id: workerId,
  host: hostname(),
  pid: process.pid,
  port: ops.port,
  version,
  started_at: startedAt,
  slots: config.worker_concurrency,
  running: activations.all().map((activation) => activation.task_id),
  draining: leaving.signal.aborted,
  components: components.states(),
  mcp_tools: mcp.tools().flatMap(({ name, effect, offered }) => (offered ? [{ name, effect }] : [])),
  at: Date.now(),
})
metrics.beforeRender(() =>
  observeState(counted, {
    slots: config.worker_concurrency,
    used: activations.count(),
    mcpServers: mcp.servers(),
  }),
)
const folder = openSessionFolder({ sessionDir: config.session_dir, costDir: config.cost_dir })
const archive = createArchive({ store, folder, log })
const presence = startPresence({ keeping: store.keeping, folder, processId: workerId, log })
const keeper = startKeeper({
  keeping: store.keeping,
  archive,
  keepSession: createKeepSession({
    store,
    folder,
    archive,
    view: createMirrorView(redact),
    retentionMs: config.retention_days * DAY_MS,
    log,
  }),
  log,
})
const spareMemory = createSpareMemory({ isIdle: () => activations.count() === 0 })
const liveness = createLiveness({
  waiting: () => queue.waiting(),
  hasFreeSlot: () => !leaving.signal.aborted && activations.count() < config.worker_concurrency,
})
const heartbeat = createHeartbeat({
  store,
  queue,
  activations,
  info,
  onConfirmed: (sentAt) => guard.beat(sentAt),
  onBeat(beat) {
    keeper.purge(beat.purge)
    if (beat.sessionsDue) keeper.look()
    if (!beat.quiet) void liveness.look()
    if (beat.ticketsTaken) tickets.giveBackLost()
  },
  rhythm,
  mayRest: () => !guard.isWatching(),
  log,
})
const tickets = takeTickets({
  redis,
  prefix: config.redis_prefix,
  runTask: (job) => {
    liveness.picked()
    spareMemory.worked()
    heartbeat.workBegan()
    return runTask(job)
  },
  concurrency: config.worker_concurrency,
  rhythm,
  log,
})
const worker = startWorker({
  subscriber,
  store,
  activations,
  heartbeat,
  tickets,
  shutdownGraceMs: config.shutdown_grace_s * 1000,
  onThrottle: throttle.heard,
  log,
})
log.info({ slots: config.worker_concurrency, version }, '[DI] worker started')
// It is needed by the first task; the first beat tells that there is a worker.
void guard.beaten().then(models.load)

const CLOSE_MARGIN_MS = 8000
/** A session that is not looked after to the end now is by the next worker. */
const KEEPER_CLOSE_MS = 1000
const { close } = closeWithGrace(
  { delay: config.shutdown_grace_s * 1000 + CLOSE_MARGIN_MS, logger: false },
  async ({ err }) => {
    if (err) log.error({ err: messageOf(err), stack: err.stack }, '[DI] worker broke')
    leaving.abort()
    await worker.drain()
    presence[Symbol.dispose]()
    spareMemory[Symbol.dispose]()
    await Promise.all([Promise.race([keeper.stop(), pause(KEEPER_CLOSE_MS)]), mcp[Symbol.asyncDispose]()])
    await guard[Symbol.asyncDispose]()
    if (redis.status === 'ready') await store.forgetWorker(workerId).catch(() => {})
    ops.close()
    subscriber.disconnect()
    redis.disconnect()
    await tracing.close()
    log.info({}, '[DI] worker stopped')
  },
)
onParentGone(close)
// Thrown here it makes the process leave as it does when anything else breaks: hand over, then exit with 1.
await liveness.wedged
