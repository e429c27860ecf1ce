import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { judge } from '../../src/http/health.ts'
import { createOpsApp } from '../../src/http/ops.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { FleetSnapshot } from '../../src/tasks/service.ts'
import { snapshot } from './fleet-snapshots.ts'
import { listening, problemIn, recordedLog } from './support.ts'

const ops = (fleet: FleetSnapshot = snapshot(), notReady: string[] = []) => {
  const metrics = createMetrics({ version: '1.2.3' })
  metrics.observeFleet(async () => ({ ...fleet, health: judge(fleet) }))
  return createOpsApp({
    health: () => ({ ...judge(fleet), version: '1.2.3', uptime_s: 1 }),
    notReady: () => notReady,
    metrics,
    access: { tokens: [], allowedHosts: [], metricsPublic: false },
    redact: (text) => text,
    log: recordedLog(),
  })
}

test('health is 200 while tasks can run, 503 when not', async () => {
  const degraded = snapshot({ redis: { up: true, evicts: true } })
  const away = snapshot({ redis: { up: false, evicts: false } })
  expect((await ops().request('/health')).status).toBe(200)
  expect((await ops(degraded).request('/health')).status).toBe(200)
  const answer = await ops(away).request('/health')
  expect([answer.status, await answer.json()]).toMatchObject([503, { status: 'unhealthy' }])
})

test('liveness does not ask for Redis, readiness says why not', async () => {
  const app = ops(snapshot({ redis: { up: false, evicts: false } }), ['Redis is away'])
  expect((await app.request('/health/live')).status).toBe(200)
  const answer = await app.request('/health/ready')
  expect(answer.headers.get('Retry-After')).toBe('1')
  expect(await problemIn(answer)).toMatchObject({ status: 503, code: 'not_ready', detail: 'Redis is away' })
  expect((await ops().request('/health/ready')).status).toBe(200)
})

test('metrics tell of process and fleet, all under one prefix', async () => {
  const answer = await ops().request('/metrics')
  expect(answer.headers.get('Content-Type')).toMatch(/^text\/plain; version=0\.0\.4/)
  const lines = (await answer.text()).split('\n')
  for (const line of [
    'alex_redis_up 1',
    'alex_redis_latency_seconds 0.002',
    'alex_health_status{status="healthy"} 1',
    'alex_health_component{component="mcp",status="ready"} 1',
    'alex_workers 1',
    'alex_fleet_slots{state="used"} 2',
    'alex_fleet_slots{state="free"} 8',
    'alex_build_info{version="1.2.3"} 1',
  ]) {
    expect(lines).toContain(line)
  }
  const samples = lines.filter((line) => line !== '' && !line.startsWith('#'))
  expect(samples.filter((line) => !line.startsWith('alex_'))).toEqual([])
})

test("the operations guide's monitoring script reads the answer as it echoes it", async () => {
  await using server = await listening(ops())
  const script = `HEALTH=$(curl -s ${server.url}/health); echo $HEALTH | jq -r '.components[] | "\\(.name): \\(.status)"'`
  const { stdout } = await promisify(execFile)('bash', ['-c', script])
  expect(stdout.trim().split('\n')).toEqual([
    'llm_factory: ready',
    'git_tools: disabled',
    'mcp: ready',
    'redis: ready',
    'queue: ready',
    'workers: ready',
  ])
})
