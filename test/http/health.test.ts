import { describe, expect, test } from 'vitest'
import { createHealth, judge, reasonsNotReady } from '../../src/http/health.ts'
import type { FleetSnapshot } from '../../src/tasks/service.ts'
import { READY, snapshot, worker } from './fleet-snapshots.ts'
import { recordedLog, SECRET } from './support.ts'

const AWAY = { up: false, evicts: false }

const stateOf = (fleet: FleetSnapshot, name: string) =>
  judge(fleet).components.find((component) => component.name === name)

describe('the fleet', () => {
  test('is healthy when every component is ready or disabled, told in a fixed order', () => {
    const { status, components } = judge(snapshot())
    expect(status).toBe('healthy')
    expect(components.map(({ name, status: state }) => [name, state])).toEqual([
      ['llm_factory', 'ready'],
      ['git_tools', 'disabled'],
      ['mcp', 'ready'],
      ['redis', 'ready'],
      ['queue', 'ready'],
      ['workers', 'ready'],
    ])
  })

  test.each([
    ['a component is not ready', { components: [...READY.slice(1), { ...READY[0]!, status: 'not_ready' }] }],
    ['Redis may evict', { redis: { up: true, evicts: true } }],
    ['every worker drains', { workers: [worker({ draining: true })] }],
    ['no worker reports a component', { components: READY.slice(1) }],
  ] as [string, Partial<FleetSnapshot>][])('is degraded when %s', (_, changes) => {
    expect(judge(snapshot(changes)).status).toBe('degraded')
  })

  test('is unhealthy when Redis is away or no worker is alive', () => {
    expect(judge(snapshot({ redis: AWAY })).status).toBe('unhealthy')
    expect(judge(snapshot({ workers: [], components: [] })).status).toBe('unhealthy')
  })

  test('is unhealthy when Redis takes no changes, and says why', () => {
    const refusing = snapshot({ redis: { up: true, evicts: false, refuses: 'OOM' } })
    expect(judge(refusing).status).toBe('unhealthy')
    expect(stateOf(refusing, 'redis')?.message).toContain('OOM')
    expect(reasonsNotReady(refusing, false)).toEqual(['Redis takes no changes'])
  })

  test('tells what a person needs of queue, workers and Redis', () => {
    expect(stateOf(snapshot(), 'queue')).toMatchObject({ details: { pending: 5, oldest_pending_ms: 1500 } })
    expect(stateOf(snapshot(), 'workers')).toMatchObject({ details: { alive: 1, slots: 10, running: 2 } })
    expect(stateOf(snapshot(), 'redis')).toMatchObject({ details: { latency_ms: 2 } })
    expect(stateOf(snapshot({ redis: AWAY }), 'queue')).toMatchObject({ status: 'not_ready' })
  })
})

describe('readiness', () => {
  test('needs Redis, a worker that takes tasks, and that this process stays', () => {
    expect(reasonsNotReady(snapshot(), false)).toEqual([])
    expect(reasonsNotReady(snapshot(), true)).toEqual(['this process is shutting down'])
    expect(reasonsNotReady(snapshot({ redis: AWAY }), false)).toEqual(['Redis is away'])
    expect(reasonsNotReady(snapshot({ workers: [worker({ draining: true })] }), false)).toHaveLength(1)
    expect(reasonsNotReady(snapshot({ workers: [] }), false)).toHaveLength(1)
  })
})

const redact = (text: string) => text.replaceAll(SECRET, '***')

const observed = (states: FleetSnapshot[]) => {
  const log = recordedLog()
  let next = 0
  const fleet = {
    workers: async () => [],
    snapshot: async () => states[Math.min(next++, states.length - 1)] ?? snapshot(),
  }
  return { log, health: createHealth({ fleet, redact, log, version: '1.2.3' }) }
}

describe('what /health answers', () => {
  test('carries version and uptime', async () => {
    expect(await observed([snapshot()]).health()).toMatchObject({
      version: '1.2.3',
      uptime_s: expect.any(Number),
    })
  })

  test('is plain words: nothing a shell expands, nothing JSON escapes, no secret', async () => {
    const message = `401: "Incorrect key \\ ${SECRET}": see *docs* [here]?\n$(rm) \`x\``
    const components = READY.map((component) => ({ ...component, message, details: { errors: [message] } }))
    const answer = await observed([snapshot({ components })]).health()
    expect(answer.components[0]?.message).toBe('401: Incorrect key : see docs here (rm) x')
    const text = JSON.stringify(answer)
    expect(text).not.toContain(SECRET)
    expect(text).not.toMatch(/[*?\\$`]/)
  })

  test('is logged under [HealthChecker] when the status changes, and only then', async () => {
    const { log, health } = observed([snapshot(), snapshot(), snapshot({ redis: AWAY }), snapshot()])
    for (let i = 0; i < 5; i++) await health()
    expect(log.lines.map(({ level, message }) => [level, message])).toEqual([
      ['info', '[HealthChecker] healthy'],
      ['warn', '[HealthChecker] unhealthy'],
      ['info', '[HealthChecker] healthy'],
    ])
  })
})
