/** A chaos run: start the service, work it, break it, wait until all is quiet, judge what was seen. */
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startRedisServer } from '../support/redis-server.ts'
import { check, formatViolations } from './check.ts'
import { createClient } from './client.ts'
import { createCollector } from './collect.ts'
import { startEffects } from './effects.ts'
import { createFaults } from './faults.ts'
import { startFleet } from './fleet.ts'
import type { History } from './history.ts'
import { startModelServer } from './model-server.ts'
import { planTasks } from './plan.ts'
import { createRandom } from './random.ts'
import { createReaders } from './readers.ts'
import { summaryOf } from './report.ts'
import { readSettings, type Settings, USAGE } from './settings.ts'
import { createUsers } from './users.ts'

const PREFIX = '{chaos}'
const SLOTS = 10
const READY_MS = 30_000
/** Nothing at all happens for so long only when something is stuck: a silent model call is given up after 60 s. */
const STUCK_MS = 100_000
const CATCH_UP_MS = 20_000

const say = (text: string) => void process.stderr.write(`${text}\n`)

const run = async (settings: Settings, folder: string): Promise<History> => {
  await using resources = new AsyncDisposableStack()
  const workspace = join(folder, 'workspace')
  await mkdir(workspace, { recursive: true })
  const random = createRandom(settings.seed)
  const redis = resources.use(await startRedisServer({ fsync: settings.fsync }))
  const effects = resources.use(await startEffects(workspace))
  const model = resources.use(await startModelServer({ callFor: effects.callFor }))
  const { workers } = settings
  const fleet = await startFleet({
    folder,
    workspace,
    redisSocket: redis.url,
    prefix: PREFIX,
    model,
    workers,
    slots: SLOTS,
  })
  resources.defer(async () => void (await fleet.stop()))
  await untilReady(fleet.urls)

  const ending = new AbortController()
  const { urls } = fleet
  const client = createClient({ urls, ending: ending.signal })
  const readers = createReaders({ urls, random: random.fork('readers'), ending: ending.signal })
  const collector = createCollector(redis.client, PREFIX)
  const startedAt = Date.now()
  const users = createUsers({ client, readers, random: random.fork('users'), settings, startedAt })
  const faults = createFaults({
    settings,
    random: random.fork('faults'),
    fleet,
    redis,
    model,
    client,
    startedAt,
    ending: ending.signal,
  })
  await Promise.all([
    users.run(planTasks(settings, random.fork('plans'))),
    settings.calm ? undefined : faults.run(),
  ])
  say('all is submitted and mended; waiting until everything has ended')
  await quietOrStuck(collector)
  const logs = await collector.logs()
  const sessions = Object.keys(logs)
  await within(CATCH_UP_MS, async () => {
    const last = await collector.lastIds(sessions)
    return readers.readers.every(
      ({ follows, events }) =>
        !('session_id' in follows) ||
        !(follows.session_id in logs) ||
        events.at(-1)?.id === last[sessions.indexOf(follows.session_id)],
    )
  })
  ending.abort()
  await readers.ended()
  const stubborn = await fleet.stop()
  if (stubborn.length > 0) say(`killed, because they did not leave: ${stubborn.join(', ')}`)
  return {
    seed: settings.seed,
    settings: { tasks: settings.tasks, workers, minutes: settings.minutes, fsync: settings.fsync },
    startedAt,
    endedAt: Date.now(),
    submissions: client.submissions,
    cancels: client.cancels,
    deletions: client.deletions,
    logs: await collector.logs(),
    effects: await effects.all(),
    modelCalls: model.calls,
    costs: await collector.costs(),
    readers: readers.readers,
    faults: faults.faults,
    workers: fleet.lives,
    leftovers: await collector.leftovers(workspace),
  }
}

/** Sessions whose model falls silent more than once take minutes, and get them as long as they get on. */
const quietOrStuck = async (collector: ReturnType<typeof createCollector>): Promise<void> => {
  let events = 0
  for (
    let until = Date.now() + STUCK_MS;
    Date.now() < until && !(await collector.quiet());
    await pause(200)
  ) {
    const now = await collector.eventCount()
    if (now > events) until = Date.now() + STUCK_MS
    events = now
  }
}

const within = async (ms: number, isSo: () => Promise<boolean>): Promise<void> => {
  const until = Date.now() + ms
  while (Date.now() < until && !(await isSo())) await pause(200)
}

const untilReady = async (urls: readonly string[]) => {
  const until = Date.now() + READY_MS
  for (const url of urls) {
    for (;;) {
      const ready = await fetch(`${url}/health/ready`).catch(() => null)
      if (ready?.ok) break
      if (Date.now() > until) throw new Error('the service did not become ready')
      await pause(50)
    }
  }
}

const main = async (): Promise<number> => {
  let settings: Settings
  try {
    settings = readSettings(process.argv.slice(2))
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`)
    return 2
  }
  const folder = settings.keep ?? (await realpath(await mkdtemp(join(tmpdir(), 'alex-chaos-'))))
  say(`seed ${settings.seed}; logs and data are in ${folder}`)
  const history = await run(settings, folder)
  await writeFile(join(folder, 'history.json'), JSON.stringify(history))
  const violations = check(history)
  process.stdout.write(`${summaryOf(history)}\n`)
  if (violations.length > 0) {
    process.stdout.write(`${formatViolations(history, violations)}\n`)
    say(
      `${violations.length} violations; run again with --seed ${settings.seed}. The whole history: ${folder}`,
    )
    return 1
  }
  if (settings.keep === undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  process.stdout.write('no rule was broken\n')
  return 0
}

process.exitCode = await main()
