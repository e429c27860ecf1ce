/** What real workers leave counted of their model calls, whatever becomes of them. */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { CostReport, SessionCost } from '../../src/schemas/cost.ts'
import type { Event } from '../../src/schemas/event.ts'
import { makeFolder } from '../support/keep.ts'
import { eventually } from '../support/processes.ts'
import { calls, startService } from '../support/service.ts'
import { watch } from '../support/watch.ts'

/** USD per million: a token of input is a micro-USD. */
const PRICES = { priced: { input: 1, output: 10 } }
const usage = { prompt_tokens: 100, completion_tokens: 20 }
const COST = 0.000_3

const startPriced = async () => {
  const service = await startService({ prices: PRICES })
  const folder = await makeFolder()
  const file = join(folder, 'config.json')
  await writeFile(file, JSON.stringify({ prices: PRICES }))
  const costDir = join(folder, 'costs')
  return {
    ...service,
    costDir,
    startWorker: (env = {}) => service.startWorker({ ALEX_CONFIG: file, ALEX_COST_DIR: costDir, ...env }),
    submit: (body: object) => service.submit({ task: 'think', model: 'priced', session_id: 's', ...body }),
    cost: () => service.json<SessionCost>('/api/sessions/s/cost'),
    log: () => service.store.readLog('s', '0-0', 1000),
  }
}

/** Each start has one outcome after it. */
const outcomesOf = (log: readonly Event[]): Record<string, string[]> => {
  const outcomes: Record<string, string[]> = {}
  for (const event of log) {
    if (event.event_type === 'model_call_start') outcomes[event.call] = []
    if (event.event_type === 'think_complete') outcomes[event.call ?? '']?.push('thought')
    if (event.event_type === 'model_call_end') outcomes[event.call]?.push(event.outcome)
  }
  return outcomes
}

const startsOf = (log: readonly Event[]) =>
  log.flatMap((event) => (event.event_type === 'model_call_start' ? [event] : []))

test('answered calls are counted exactly, in the task, its events, session, day and file', async () => {
  const service = await startPriced()
  service.model.on({ turnIndex: 0 }, { content: 'look', ...calls(['list_files', {}]), usage })
  service.model.on({ turnIndex: 1 }, { content: 'done', usage })
  await service.startWorker()
  const { task_id } = await service.submit({})
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  expect(await stream.next('task_complete')).toMatchObject({ total_tokens: 240, cost_usd: 2 * COST })
  const ofType = (type: string) => stream.events.filter(({ event_type }) => event_type === type)
  for (const type of ['think_complete', 'iteration_complete'])
    expect(ofType(type).map(({ cost_usd }) => cost_usd)).toEqual([COST, COST])

  const counted = {
    input_tokens: 200,
    output_tokens: 40,
    cached_tokens: 0,
    total_tokens: 240,
    cost_usd: 2 * COST,
    model_calls: 2,
  }
  expect((await service.ended(task_id)).usage).toEqual({ ...counted, tool_calls: 1 })
  expect(await service.cost()).toEqual({
    session_id: 's',
    ...counted,
    models: [{ model: 'priced', ...counted }],
  })
  expect((await service.json<CostReport>('/api/costs?group_by=session')).groups).toEqual([
    { session_id: 's', ...counted },
  ])
  await eventually(async () => existsSync(join(service.costDir, 's.json')))
  expect(JSON.parse(await readFile(join(service.costDir, 's.json'), 'utf8'))).toMatchObject({
    tasks: [{ task_id, ...counted }],
  })
})

test('a call that is cancelled while it streams is estimated at its input and more', async () => {
  const service = await startPriced()
  service.model.on({ turnIndex: 0 }, { content: 'words '.repeat(5000) }, { latency: 20, chunkSize: 10 })
  await service.startWorker()
  const { task_id } = await service.submit({})
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await stream.nextLive('assistant_message')
  await service.post(`/api/tasks/${task_id}/cancel`)
  const { usage: used } = await service.ended(task_id)
  const log = await service.log()
  expect(outcomesOf(log)).toEqual({ '1.1': ['aborted'] })
  const [start] = startsOf(log)
  expect(used).toMatchObject({ total_tokens: 0, model_calls: 0, estimated_calls: 1 })
  expect(used.estimated_tokens).toBeGreaterThan(start?.estimated_input_tokens ?? Infinity)
  expect(used.estimated_cost_usd).toBeGreaterThan(start?.estimated_cost_usd ?? Infinity)
  expect(used).not.toHaveProperty('cost_usd')
})

test('a call whose worker is killed is estimated once, and made again by the next', async () => {
  const service = await startPriced()
  service.model.on({ turnIndex: 0, sequenceIndex: 0 }, { content: 'words '.repeat(5000) }, { latency: 20 })
  service.model.on({ turnIndex: 0, sequenceIndex: 1 }, { content: 'done', usage })
  const first = await service.startWorker()
  const { task_id } = await service.submit({})
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await stream.nextLive('assistant_message')
  await service.startWorker()
  await first.end('SIGKILL')
  const { usage: used } = await service.ended(task_id)
  const log = await service.log()
  expect(outcomesOf(log)).toEqual({ '1.1': ['lost'], '2.1': ['thought'] })
  const [start] = startsOf(log)
  expect(used).toMatchObject({
    cost_usd: COST,
    model_calls: 1,
    estimated_calls: 1,
    estimated_tokens: start?.estimated_input_tokens,
    estimated_cost_usd: start?.estimated_cost_usd,
  })
  expect((await service.cost()).estimated_cost_usd).toBe(start?.estimated_cost_usd)
})

test('a task that is cancelled after its only worker was killed has its call estimated all the same', async () => {
  const service = await startPriced()
  service.model.on({ turnIndex: 0 }, { content: 'words '.repeat(5000) }, { latency: 20 })
  const worker = await service.startWorker()
  const { task_id } = await service.submit({})
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await stream.nextLive('assistant_message')
  await worker.end('SIGKILL')
  await eventually(
    async () =>
      (await service.post<{ status?: string }>(`/api/tasks/${task_id}/cancel`)).status === 'cancelled',
  )
  const { usage: used } = await service.ended(task_id)
  const log = await service.log()
  expect(outcomesOf(log)).toEqual({ '1.1': ['lost'] })
  expect(log.map(({ event_type }) => event_type).slice(-2)).toEqual(['model_call_end', 'task_cancelled'])
  expect(used).toMatchObject({
    estimated_calls: 1,
    estimated_cost_usd: startsOf(log)[0]?.estimated_cost_usd,
  })
})

test('a task whose budget is used up fails with its best answer so far', async () => {
  const service = await startPriced()
  service.model.on({ turnIndex: 0 }, { content: 'so far', ...calls(['list_files', {}]), usage })
  service.model.on({ turnIndex: 1 }, { content: 'never asked', usage })
  await service.startWorker()
  const probe = await service.submit({ max_cost_usd: 1, session_id: 's' })
  await service.ended(probe.task_id)
  const [start] = startsOf(await service.log())
  // Enough for the first call with an answer of 256 tokens, too little for the second.
  const max_cost_usd = (start?.estimated_cost_usd ?? 0) + 0.002_56 + 0.000_2
  const { task_id } = await service.submit({ max_cost_usd, session_id: 'tight' })
  expect(await service.ended(task_id)).toMatchObject({
    status: 'failed',
    stop_reason: 'budget',
    error: { code: 'budget_exceeded' },
    result: { answer: 'so far' },
    usage: { model_calls: 1, cost_usd: COST },
  })
})

test('a budget holds over subagents: none of them starts a call that could break it', async () => {
  const service = await startPriced()
  const subtasks = ['the first part', 'the second part']
  service.model.on(
    { userMessage: 'the parent', turnIndex: 0 },
    { ...calls(['subagent', { subtasks }]), usage },
  )
  service.model.on({ userMessage: 'the parent', turnIndex: 1 }, { content: 'put together', usage })
  // They would go on until their iterations are used up.
  service.model.on({ userMessage: /part/ }, { content: 'so far', ...calls(['list_files', {}]), usage })
  await service.startWorker()
  const BUDGET = 0.02
  const { task_id } = await service.submit({ task: 'the parent', max_cost_usd: BUDGET, max_iterations: 50 })
  const parent = await service.ended(task_id)
  const log = await service.log()
  const ends = log.filter((event) => event.event_type === 'task_failed')
  expect(ends.filter((event) => event.parent_task_id === task_id)).toMatchObject(
    subtasks.map(() => ({
      stop_reason: 'budget',
      error: { code: 'budget_exceeded' },
      partial_answer: 'so far',
    })),
  )
  // At each start: what was spent, and the most that all calls under way can cost.
  const most = new Map<string, number>()
  const worst = log.map((event) => {
    if (event.event_type === 'model_call_start')
      most.set(
        `${event.task_id} ${event.call}`,
        (event.estimated_cost_usd ?? Infinity) + event.max_tokens * 1e-5,
      )
    if (event.event_type === 'think_complete')
      most.set(`${event.task_id} ${event.call}`, event.cost_usd ?? Infinity)
    return [...most.values()].reduce((sum, cost) => sum + cost, 0)
  })
  expect(Math.max(...worst)).toBeLessThanOrEqual(BUDGET + 1e-9)
  expect(parent.stop_reason).toMatch(/^(budget|final_answer)$/)
  expect((await service.cost()).models).toMatchObject([{ model: 'priced', model_calls: most.size }])
})

test('the offline model is free', async () => {
  const service = await startService()
  await service.startWorker({ OPENAI_BASE_URL: '', OPENAI_API_KEY: '' })
  const { task_id } = await service.submit({ task: 'look around' })
  expect((await service.ended(task_id)).usage).toMatchObject({ cost_usd: 0 })
})
