/** What model calls used and cost, as the API reports it. */
import { randomUUID } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { CostReport, SessionCost } from '../../src/schemas/cost.ts'
import type { Task } from '../../src/schemas/task.ts'
import type { Counters, UsageEntry } from '../../src/tasks/usage.ts'
import { startApi } from '../support/api.ts'
import { TASK_FIELDS } from '../support/task-fields.ts'

const open = async () => {
  const api = await startApi({ prices: { priced: { input: 1, output: 2 } } })
  onTestFinished(() => api[Symbol.asyncDispose]())
  const { store } = api
  const json = async <T>(path: string, init?: RequestInit): Promise<T> =>
    (await (await api.request(path, init)).json()) as T
  return {
    ...api,
    json,
    today: new Date(Number((await api.redis.time())[0]) * 1000).toISOString().slice(0, 10),
    /** A running task of the session whose model calls used this. */
    async uses(session_id: string, ...usage: UsageEntry[]): Promise<string> {
      const task_id = randomUUID()
      await store.create({ task_id, session_id, title: 't', fields: TASK_FIELDS })
      await store.begin({ task_id, n: 1 }, 'a', 'w')
      const event = { event_type: 'iteration_start', iteration: 1, max_iterations: 10 } as const
      const result = await store.append({ task_id, activation: 'a' }, 1, [event], { set: {}, add: {}, usage })
      expect(result.verdict).toBe('ok')
      return task_id
    },
    /** As if it had been another day. */
    async movesTo(day: string) {
      const today = new Date(Number((await api.redis.time())[0]) * 1000).toISOString().slice(0, 10)
      await api.redis.rename(store.key('costs', today), store.key('costs', day))
      await api.redis.rename(store.key('costs', today, 'models'), store.key('costs', day, 'models'))
    },
  }
}

const used = (model: string, add: Counters): UsageEntry => ({ model, add })
const answered: Counters = {
  model_calls: 1,
  input_tokens: 100,
  output_tokens: 20,
  cached_tokens: 40,
  cost_nano: 280_001,
}
const ANSWERED = {
  input_tokens: 100,
  output_tokens: 20,
  cached_tokens: 40,
  total_tokens: 120,
  cost_usd: 0.000_280_001,
  model_calls: 1,
}
const TWICE = {
  input_tokens: 200,
  output_tokens: 40,
  cached_tokens: 80,
  total_tokens: 240,
  cost_usd: 0.000_560_002,
  model_calls: 2,
}
const lost: Counters = { estimated_calls: 1, estimated_tokens: 30, estimated_nano: 5000 }
const LOST = { estimated_calls: 1, estimated_tokens: 30, estimated_cost_usd: 0.000_005 }

test('a task and its session show exact costs, and estimates apart', async () => {
  const api = await open()
  const task = await api.uses('s', used('m', answered), used('m', answered), used('m', lost))
  const shown = await api.json<Task>(`/api/tasks/${task}`)
  expect(shown.usage).toEqual({ ...TWICE, ...LOST, tool_calls: 0 })
  const [listed] = await api.json<Task[]>('/api/tasks')
  expect(listed?.usage).toEqual(shown.usage)
  expect(await api.json('/api/sessions')).toMatchObject([{ session_id: 's', cost_usd: 0.000_560_002 }])
  expect(await api.json('/api/sessions/s')).toMatchObject({ cost_usd: 0.000_560_002 })
  expect(await api.json('/api/sessions/s/cost')).toEqual({
    session_id: 's',
    ...TWICE,
    ...LOST,
    models: [{ model: 'm', ...TWICE, ...LOST }],
  })
})

test('what has no known price has no cost, and its tokens are counted', async () => {
  const api = await open()
  const { cost_nano: _, ...unpriced } = answered
  const task = await api.uses('s', used('free text: a model', { ...unpriced, unpriced_calls: 1 }))
  const { cost_usd: __, ...counted } = ANSWERED
  const shown = await api.json<Task>(`/api/tasks/${task}`)
  expect(shown.usage).toEqual({ ...counted, unpriced_calls: 1, tool_calls: 0 })
  const cost = await api.json<SessionCost>('/api/sessions/s/cost')
  expect(cost.models).toEqual([{ model: 'free text: a model', ...counted, unpriced_calls: 1 }])
  expect(JSON.stringify([cost, await api.json('/api/sessions')])).not.toContain('cost_usd')
})

test('costs of the last days are summed by day, model or session', async () => {
  const api = await open()
  await api.uses('s-1', used('a', answered))
  await api.movesTo('2025-01-31')
  await api.uses('s-2', used('a', answered), used('b c', lost))
  const report = (by: string) =>
    api.json<CostReport>(`/api/costs?from=2025-01-30&to=2026-02-01&group_by=${by}`)
  await api.movesTo('2025-02-01')
  expect(await report('day')).toEqual({
    from: '2025-01-30',
    to: '2026-02-01',
    group_by: 'day',
    total: { ...TWICE, ...LOST },
    groups: [
      { day: '2025-01-31', ...ANSWERED },
      { day: '2025-02-01', ...ANSWERED, ...LOST },
    ],
  })
  const nothing = { input_tokens: 0, output_tokens: 0, cached_tokens: 0, total_tokens: 0, model_calls: 0 }
  expect((await report('model')).groups).toEqual([
    { model: 'a', ...TWICE },
    { model: 'b c', ...nothing, ...LOST },
  ])
  const bySession = await report('session')
  expect(bySession.groups).toEqual([
    { session_id: 's-1', ...ANSWERED },
    { session_id: 's-2', ...ANSWERED, ...LOST },
  ])
  expect(bySession.total).toEqual({ ...TWICE, ...LOST })
})

test('without a range it is the last 30 days, today included', async () => {
  const api = await open()
  await api.uses('s', used('a', answered))
  const { from, to, group_by, total } = await api.json<CostReport>('/api/costs')
  expect({ to, group_by, total }).toEqual({ to: api.today, group_by: 'day', total: ANSWERED })
  expect((Date.parse(to) - Date.parse(from)) / 86_400_000).toBe(29)
})

test('days are kept for 400 days after their end', async () => {
  const api = await open()
  await api.uses('s', used('a', answered))
  const end = Date.parse(api.today) + 401 * 86_400_000
  for (const name of [api.store.key('costs', api.today), api.store.key('costs', api.today, 'models')])
    expect(await api.redis.pexpiretime(name)).toBe(end)
})

test('many groups come in pages, each with the total of all', async () => {
  const api = await open()
  for (const session of ['s-1', 's-2', 's-3']) await api.uses(session, used('a', answered))
  const seen: unknown[] = []
  let path: string | undefined = '/api/costs?group_by=session&limit=2'
  while (path !== undefined) {
    const answer = await api.request(path)
    const page = (await answer.json()) as CostReport
    expect(page.total.model_calls).toBe(3)
    seen.push(page.groups.map((group) => 'session_id' in group && group.session_id))
    const next = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1]
    path = next?.slice(api.url.length)
  }
  expect(seen).toEqual([['s-1', 's-2'], ['s-3']])
})

describe('as CSV', () => {
  const HEAD =
    'input_tokens,output_tokens,cached_tokens,total_tokens,cost_usd,estimated_cost_usd,model_calls,unpriced_calls,estimated_calls,estimated_tokens\r\n'

  test.each([
    ['by format', '&format=csv', {}],
    ['by Accept', '', { Accept: 'text/csv' }],
  ])('a report is asked for %s', async (_, query, headers) => {
    const api = await open()
    await api.uses('-s', used('a', answered), used('a', lost))
    const answer = await api.request(`/api/costs?group_by=session${query}`, { headers })
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(answer.headers.get('vary')).toContain('Accept')
    expect(await answer.text()).toBe(`session_id,${HEAD}'-s,100,20,40,120,0.000280001,0.000005,1,,1,30\r\n`)
  })

  test('a name that a spreadsheet would run as a formula is a text', async () => {
    const api = await open()
    await api.uses('s', used('=HYPERLINK("http://x"),1', answered), used('a,b', answered))
    const text = await (await api.request('/api/sessions/s/cost?format=csv')).text()
    expect(text.split('\r\n').map((line) => line.replace(/,100,.*/, ''))).toEqual([
      `model,${HEAD.trim()}`,
      `"'=HYPERLINK(""http://x""),1"`,
      '"a,b"',
      '',
    ])
  })

  test('JSON is the answer when the client takes anything', async () => {
    const api = await open()
    const answer = await api.request('/api/costs', { headers: { Accept: '*/*' } })
    expect(answer.headers.get('content-type')).toContain('application/json')
  })
})

describe('what cannot be meant is refused', () => {
  test.each([
    ['from=2026-02-30', 'from'],
    ['from=yesterday', 'from'],
    ['to=2026-13-01T00:00:00Z', 'to'],
    ['from=2026-02-02&to=2026-02-01', 'from'],
    ['from=2020-01-01&to=2026-02-01', 'from'],
    ['group_by=user', 'group_by'],
    ['format=xml', 'format'],
    ['cursor=%7B', 'cursor'],
    ['until=2026-02-01', 'until'],
  ])('/api/costs?%s', async (query, path) => {
    const api = await open()
    const answer = await api.request(`/api/costs?${query}`)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ errors: [{ path }] })
  })

  test('the costs of a session that nobody knows', async () => {
    const api = await open()
    const answer = await api.request('/api/sessions/nobody/cost')
    expect(answer.status).toBe(404)
    expect(await answer.json()).toMatchObject({ code: 'session_not_found' })
  })
})

describe('a budget', () => {
  const submit = (api: Awaited<ReturnType<typeof open>>, body: object) =>
    api.request('/api/tasks', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ task: 't', ...body }),
    })

  test('is shown with its task', async () => {
    const api = await open()
    const budget = { max_cost_usd: 0.5, max_total_tokens: 1000 }
    const answer = await submit(api, { model: 'priced', ...budget })
    expect(answer.status).toBe(201)
    expect(await api.json(answer.headers.get('location') ?? '')).toMatchObject(budget)
  })

  test('of money is refused for a model whose price nobody knows', async () => {
    const api = await open()
    const answer = await submit(api, { model: 'unpriced', max_cost_usd: 1 })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      code: 'unknown_price',
      detail: expect.stringContaining('nobody knows what "unpriced" costs'),
      errors: [{ path: 'max_cost_usd' }],
    })
    expect((await submit(api, { model: 'unpriced', max_total_tokens: 10 })).status).toBe(201)
  })

  test.each([{ max_cost_usd: 0 }, { max_cost_usd: -1 }, { max_total_tokens: 0 }, { max_total_tokens: 1.5 }])(
    'of %j is none',
    async (budget) => {
      const api = await open()
      expect((await submit(api, { model: 'priced', ...budget })).status).toBe(400)
    },
  )
})
