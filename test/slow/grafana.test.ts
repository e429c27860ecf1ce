/** Dashboards and alerts against a real Prometheus that scrapes a real fleet at work. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { GRAFANA, panelsOf } from '../grafana/panels.ts'
import { odd } from '../mcp/support.ts'
import { startFleet } from '../support/fleet.ts'
import { freePort } from '../support/free-port.ts'
import { makeFolder } from '../support/keep.ts'
import { startNodeProcess } from '../support/node-process.ts'
import { startPrometheus } from '../support/prometheus.ts'
import { calls } from '../support/service.ts'

/** What has no data while nothing is wrong, and why. */
const RIGHTLY_EMPTY = {
  'Are writes refused? {{outcome}} appends': 'no worker lost a lease, Redis was never away',
  'Are writes refused? refused {{write}}': 'no worker lost a lease',
  'Which MCP server starts again and again? {{server}} restarts': 'none was lost after it had been connected',
  AlexApiDown: 'there is an API',
  AlexWritesRefused: 'no worker lost a lease',
}
/** APIs and workers. */
const PROCESSES = 5
const MINUTE = 60_000
const MODEL = 'gpt-4o-mini'
const usage = { prompt_tokens: 100, completion_tokens: 20 }

/** Two APIs and three workers, one of them with MCP servers, over a Redis as it should be. */
const startService = async () => {
  const fleet = await startFleet()
  await fleet.redis.client.call('CONFIG', 'SET', 'maxmemory', '1gb')
  const folder = await makeFolder()
  const config = join(folder, 'config.json')
  await writeFile(config, JSON.stringify({ prices: { [MODEL]: { input: 1, output: 10 } } }))
  const mcp = join(folder, 'mcp-config.json')
  const mcpServers = { well: odd('well', folder), none: { command: 'no-such' } }
  await writeFile(mcp, JSON.stringify({ mcpServers }))
  const port = await freePort()
  const startWorker = (env: Record<string, string> = {}) =>
    fleet.startWorker({ ALEX_CONFIG: config, ALEX_MODEL: MODEL, ...env })
  const startOther = async () => {
    const other = await startNodeProcess('src/http/main.ts', {
      REDIS_URL: fleet.redis.url,
      ALEX_REDIS_PREFIX: '{alex}',
      PORT: String(port),
    })
    await other.untilLogged('[DI] API listening')
  }
  await fleet.startApi()
  // Prometheus takes over what it discovers every 5 s: meanwhile the others start.
  const [prometheus, , ...workers] = await Promise.all([
    startPrometheus({ api: new URL(fleet.url).host }),
    startOther(),
    startWorker({ ALEX_MCP_CONFIG: mcp }),
    startWorker(),
    startWorker(),
  ])
  await fleet.ready()
  return { ...fleet, prometheus, startWorker, workers, urls: [fleet.url, `http://127.0.0.1:${port}`] }
}

const script = ({ model }: Awaited<ReturnType<typeof startFleet>>) => {
  model.on({ userMessage: /slow/ }, { content: 'slow' }, { latency: MINUTE })
  model.on({ userMessage: /wrong/ }, { error: { message: 'not like this' }, status: 400 })
  model.on(
    { userMessage: /\bwork\b/, turnIndex: 0 },
    { ...calls(['bash', { command: 'true' }], ['file_read', { path: 'missing' }]), usage },
  )
  model.on({ userMessage: /\bwork\b/, turnIndex: 1 }, { content: 'The work is done.', usage })
}

/** Every query of the dashboards and every alert's, by what it answers; comparisons as 0 or 1 in place of nothing. */
const questionsOf = async (rules: { name: string; query: string; type: string }[]) => {
  const folder = join(GRAFANA, 'dashboards')
  const boards = await Promise.all(
    (await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')),
  )
  const panels = boards.flatMap(panelsOf).flatMap(({ title, targets }) =>
    targets.map(({ expr, legendFormat }) => ({
      name: targets.length > 1 ? `${title} ${legendFormat}` : title,
      query: expr.replaceAll('$job', 'alex').replaceAll('$__rate_interval', '20s'),
    })),
  )
  const alerts = rules.map(({ name, query }) => ({ name, query: query.replaceAll(/ (==|>) /g, ' $1 bool ') }))
  return [...panels, ...alerts]
}

test('every panel and every alert has data of a fleet at work; without workers the alert fires', async () => {
  const service = await startService()
  const { prometheus, post, urls } = service
  script(service)
  const held = await service.submit({ task: 'slow', session_id: 'line' })
  await service.submit({ task: 'slow too', session_id: 'line' })
  let submitted = 2
  /** Some that succeed, one of them followed, one that fails, one that is cancelled. */
  const workOnce = async () => {
    const made = await Promise.all(['work', 'work', 'wrong', 'slow'].map((task) => service.submit({ task })))
    submitted += made.length
    const [cancelled] = made.slice(-1)
    await post(`/api/tasks/${cancelled?.task_id}/cancel`)
    await service.request('/api/tasks/none')
    await service.request(`/api/tasks/${made[0]?.task_id}/events`).then((stream) => stream.text())
    await Promise.all(made.map(({ task_id }) => service.ended(task_id)))
  }
  const questions = await questionsOf(await prometheus.rules())
  const unanswered = async () => {
    const answered = await Promise.all(
      questions.map(async ({ query }) =>
        (await prometheus.query(query)).some(({ value: [, value] }) => Number.isFinite(Number(value))),
      ),
    )
    return new Set(questions.filter((_, i) => !answered[i]).map(({ name }) => name))
  }
  expect(questions.length).toBeGreaterThan(80)
  await expect
    .poll(
      async () => {
        await workOnce()
        const reached = (await prometheus.targets()).length
        return reached < PROCESSES ? 'not all are reached yet' : unanswered()
      },
      { timeout: 30_000, interval: 200 },
    )
    .toEqual(new Set(Object.keys(RIGHTLY_EMPTY)))

  const targets = (await prometheus.targets()).map(({ labels, health }) => `${labels['process']} ${health}`)
  expect(targets.toSorted()).toEqual(['api up', 'api up', 'worker up', 'worker up', 'worker up'])
  const created = 'max(alex_tasks_created_total{kind="task"})'
  await expect.poll(() => prometheus.number(created), { timeout: 5000 }).toBe(submitted)
  const ends = 'sum(max by (status, stop_reason) (alex_tasks_finished_total{kind="task"}))'
  await expect.poll(() => prometheus.number(ends), { timeout: 5000 }).toBe(submitted - 2)
  // Both APIs tell it, at most a second or two apart.
  const depth = (state: string) => prometheus.number(`max(alex_queue_depth{state="${state}"})`)
  await expect.poll(() => depth('held'), { timeout: 5000 }).toBe(1)
  await expect.poll(() => depth('ready'), { timeout: 5000 }).toBe(0)
  const differing = ['alex_queue_depth', 'alex_tasks', 'alex_tasks_finished_total']
    .map((metric) => `max without (instance) (${metric}) != min without (instance) (${metric})`)
    .join(' or ')
  await expect.poll(() => prometheus.query(differing), { timeout: 5000 }).toEqual([])
  for (const url of urls)
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('alex_queue_depth{state="held"} 1\n')

  await Promise.all(service.workers.map((worker) => worker.end('SIGKILL')))
  const firing = async () =>
    (await prometheus.alerts())
      .filter(({ state }) => state === 'firing')
      .map(({ labels }) => labels['alertname'])
  await expect.poll(firing, { timeout: 60_000, interval: 100 }).toContain('AlexNoWorker')
  const [alert] = (await prometheus.alerts()).filter(({ labels }) => labels['alertname'] === 'AlexNoWorker')
  expect(alert).toMatchObject({
    labels: { severity: 'critical', job: 'alex' },
    annotations: { summary: 'No worker takes tasks', runbook: expect.stringContaining('docker compose') },
  })
  const [up] = questions.filter(({ name }) => name === 'Which alerts are up?')
  expect((await prometheus.query(String(up?.query))).map(({ metric }) => metric['alertname'])).toContain(
    'AlexNoWorker',
  )

  await post(`/api/tasks/${held.task_id}/cancel`)
  await service.startWorker()
  await expect.poll(firing, { timeout: 60_000, interval: 100 }).not.toContain('AlexNoWorker')
})
