/** Many tasks on real workers that are killed and tasks that are cancelled amid model calls: every call is accounted for. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { encode } from 'gpt-tokenizer'
import { expect, onTestFinished, test } from 'vitest'
import type { CostReport, SessionCost } from '../../src/schemas/cost.ts'
import type { Task } from '../../src/schemas/task.ts'
import type { Usage } from '../../src/schemas/usage.ts'
import { check } from '../chaos/check.ts'
import { type Counted, sumOf } from '../chaos/check-spending.ts'
import { createClient } from '../chaos/client.ts'
import { createCollector } from '../chaos/collect.ts'
import { startEffects } from '../chaos/effects.ts'
import { startFleet } from '../chaos/fleet.ts'
import type { History, LogEntry, Plan } from '../chaos/history.ts'
import { type ServerOptions, startModelServer } from '../chaos/model-server.ts'
import { nanoOf } from '../chaos/prices.ts'
import { eventually } from '../support/processes.ts'
import { startRedisServer } from '../support/redis-server.ts'

const TASKS = 50
const SESSIONS = 10
const PREFIX = '{costs}'
/** A process dies when it asks for the third time: early, so that few tasks are lost twice and rest for seconds. */
const KILLED = ['w0.0', 'w1.0', 'w2.0']
const KILLED_AT = 3
/** Cancelled in the middle of an answer. */
const CANCELLED = ['m7', 'm18', 'm29']

const planOf = (marker: string, i: number): Plan => ({
  marker,
  turns: [
    {
      calls: [{ kind: 'file', beforeMs: 0, afterMs: 0 }],
      modelMs: CANCELLED.includes(marker) ? 2000 : 100,
      ...(i % 17 === 3 && { fault: 'disconnect' as const }),
      ...(i % 17 === 4 && { fault: '500' as const }),
    },
    { calls: [], modelMs: 100 },
  ],
})

const startService = async (onRequest: ServerOptions['onRequest']) => {
  const resources = new AsyncDisposableStack()
  onTestFinished(() => resources.disposeAsync())
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'alex-costs-')))
  resources.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const workspace = join(folder, 'workspace')
  await mkdir(workspace)
  const redis = resources.use(await startRedisServer())
  const effects = resources.use(await startEffects(workspace))
  const model = resources.use(
    await startModelServer({ callFor: effects.callFor, ...(onRequest && { onRequest }) }),
  )
  const options = { folder, workspace, redisSocket: redis.url, prefix: PREFIX, model, workers: 3, slots: 10 }
  const fleet = await startFleet(options)
  resources.defer(async () => void (await fleet.stop()))
  const [url = ''] = fleet.urls
  await eventually(async () => (await fetch(`${url}/health/ready`).catch(() => null))?.ok === true)
  const json = async <T>(path: string): Promise<T> => (await (await fetch(`${url}${path}`)).json()) as T
  const costDir = join(folder, 'home/alex/costs')
  return { redis, effects, model, fleet, url, json, workspace, costDir }
}

/** What an answer of the API or a file says, in whole numbers under the counters' names. */
const countersOf = (usage: Usage): Counted =>
  sumOf([
    {
      model_calls: usage.model_calls,
      input_tokens: usage.input_tokens,
      output_tokens: usage.output_tokens,
      cached_tokens: usage.cached_tokens,
      cost_nano: Math.round((usage.cost_usd ?? 0) * 1e9),
      unpriced_calls: usage.unpriced_calls ?? 0,
      estimated_calls: usage.estimated_calls ?? 0,
      estimated_tokens: usage.estimated_tokens ?? 0,
      estimated_nano: Math.round((usage.estimated_cost_usd ?? 0) * 1e9),
    },
  ])
const ofType = (log: readonly LogEntry[], ...types: string[]) =>
  log.filter(({ type }) => types.includes(type))

test('50 tasks with killed workers: every request is logged, answers cost what they cost, the rest is estimated apart', async () => {
  const asked = new Map<string, number>()
  const killed: string[] = []
  /** Tokens of what the model was sent, by a tokenizer, by marker and turn. */
  const sent = new Map<string, number>()
  const ids = new Map<string, string>()
  const cancelled = new Set<string>()
  const service = await startService(({ worker, marker, turn }, messages) => {
    sent.set(`${marker}.${turn}`, encode(messages.map(({ content }) => String(content)).join('\n')).length)
    const times = (asked.get(worker) ?? 0) + 1
    asked.set(worker, times)
    if (KILLED.includes(worker) && times === KILLED_AT) {
      killed.push(worker)
      service.fleet.workers[Number(worker[1])]?.current().signal('SIGKILL')
    }
    const id = ids.get(marker)
    if (id === undefined || !CANCELLED.includes(marker) || cancelled.has(marker)) return
    cancelled.add(marker)
    void client.cancel(id)
  })
  const { fleet, model, redis, json, costDir } = service
  const startedAt = Date.now()
  const ending = new AbortController()
  const client = createClient({ urls: fleet.urls, ending: ending.signal })
  for (let i = 0; i < TASKS; i += 1) {
    const marker = `m${i}`
    const id = await client.submit({
      marker,
      session_id: `s${i % SESSIONS}`,
      atMs: 0,
      keyed: true,
      plan: planOf(marker, i),
    })
    if (id !== undefined) ids.set(marker, id)
  }
  const tasks = await Promise.all(
    [...ids.values()].map(async (id) => {
      for (;;) {
        const task = await json<Task>(`/api/tasks/${id}?wait_s=30`)
        if (task.completed_at !== undefined) return task
      }
    }),
  )
  expect(tasks).toHaveLength(TASKS)
  expect(killed.toSorted()).toEqual(KILLED)
  expect([...cancelled].toSorted()).toEqual(CANCELLED.toSorted())

  const collector = createCollector(redis.client, PREFIX)
  const logs = await collector.logs()
  const log = Object.values(logs).flat()
  const history: History = {
    seed: 0,
    settings: { fsync: 'always' },
    startedAt,
    endedAt: Date.now(),
    submissions: client.submissions,
    cancels: client.cancels,
    deletions: [],
    logs,
    effects: await service.effects.all(),
    modelCalls: model.calls,
    costs: await collector.costs(),
    readers: [],
    faults: [],
    workers: fleet.lives,
    leftovers: { unfinished: [], due: [], tickets: [], leases: [], keys: [], children: [] },
  }
  expect(check(history)).toEqual([])

  // Every call has one outcome, every answer its request, and every other request a call that got no answer. Of these
  // calls some may have no request: what the worker was doing between log and model when it died or was told to stop.
  const starts = ofType(log, 'model_call_start')
  const ends = ofType(log, 'model_call_end')
  const thoughts = ofType(log, 'think_complete')
  const unsent = starts.length - model.calls.length
  const outcomes = Object.groupBy(ends, ({ data }) => String(data['outcome']))
  expect(starts).toHaveLength(thoughts.length + ends.length)
  expect(unsent).toBeGreaterThanOrEqual(0)
  expect(unsent).toBeLessThanOrEqual((outcomes['lost'] ?? []).length + (outcomes['aborted'] ?? []).length)
  expect(Object.keys(outcomes).toSorted()).toEqual(
    expect.arrayContaining(['aborted', 'broken', 'lost', 'refused']),
  )

  // To the nano-USD, by the server's journal.
  const nonces = new Set(
    thoughts.map(
      ({ data }) => /[0-9a-f]{12}/.exec(JSON.stringify([data['content'], data['tool_calls']]))?.[0],
    ),
  )
  const answered = model.calls.flatMap(({ nonce, usage }) => (usage && nonces.has(nonce) ? [usage] : []))
  expect(answered).toHaveLength(thoughts.length)
  const journal = sumOf(answered.map((usage) => ({ model_calls: 1, ...usage, cost_nano: nanoOf(usage) })))
  const iterationOf = (end: LogEntry) => Number(end.data['iteration'])
  const belowInput = ends.filter((end) => {
    const estimate = end.data['estimated_usage'] as { input_tokens: number } | undefined
    const marker = [...ids].find(([, id]) => id === end.task)?.[0]
    const tokens = sent.get(`${marker}.${iterationOf(end) - 1}`) ?? 0
    return estimate !== undefined && estimate.input_tokens < tokens
  })
  expect(belowInput).toEqual([])
  const estimates = sumOf(
    Object.values(history.costs.tasks).map(
      ({ estimated_calls = 0, estimated_tokens = 0, estimated_nano = 0 }) => ({
        estimated_calls,
        estimated_tokens,
        estimated_nano,
      }),
    ),
  )
  const all = sumOf([journal, estimates])

  // One sum, wherever one asks.
  expect(sumOf(tasks.map(({ usage }) => countersOf(usage)))).toEqual(all)
  for (const [by, groups] of Object.entries({ model: 1, session: SESSIONS })) {
    const report = await json<CostReport>(`/api/costs?group_by=${by}`)
    expect(countersOf(report.total), `by ${by}`).toEqual(all)
    expect(sumOf(report.groups.map(countersOf)), `by ${by}`).toEqual(all)
    expect(report.groups, `by ${by}`).toHaveLength(groups)
  }
  const sessions = Object.keys(logs)
  const ofSessions = await Promise.all(sessions.map((id) => json<SessionCost>(`/api/sessions/${id}/cost`)))
  expect(sumOf(ofSessions.map(countersOf))).toEqual(all)
  const fileOf = async (id: string) => {
    const file = join(costDir, `${id}.json`)
    if (!existsSync(file)) return []
    return (JSON.parse(await readFile(file, 'utf8')) as { tasks: Usage[] }).tasks
  }
  // Written whenever a task of the session ends.
  const inFiles = async () => sumOf((await Promise.all(sessions.map(fileOf))).flat().map(countersOf))
  await eventually(async () => isDeepStrictEqual(await inFiles(), all))
})
