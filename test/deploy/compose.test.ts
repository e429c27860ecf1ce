import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DCLinter } from 'dclint'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { loadConfig } from '../../src/config.ts'
import { NODE_FLAGS } from '../../src/node-flags.ts'
import { tempFolder } from '../config/temp.ts'
import { ROOT } from './dockerfile.ts'

const FILE = join(ROOT, 'compose.yaml')
const text = readFileSync(FILE, 'utf8')

const Service = z.object({
  image: z.string(),
  command: z.array(z.string()),
  environment: z.record(z.string(), z.coerce.string()).default({}),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  networks: z.array(z.string()).default(['default']),
  volumes: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  healthcheck: z.object({ test: z.array(z.string()) }),
  stop_grace_period: z.string().regex(/^\d+s$/),
})
const Compose = z.object({
  services: z.record(z.string(), Service.extend({ command: z.array(z.string()).default([]) })),
  volumes: z.record(z.string(), z.null()),
  networks: z.record(z.string(), z.object({ internal: z.boolean() })),
})

/** The package's own types do not resolve under Node's rules. */
const LintResults = z.array(
  z.object({ messages: z.array(z.object({ type: z.string(), message: z.string() })) }),
)

/** As compose reads it with nothing but `env` around it. */
const read = (env: Record<string, string> = {}) => {
  const filledIn = (_: unknown, value: unknown) =>
    typeof value === 'string'
      ? value.replaceAll(
          /\$\{(\w+):-([^}]*)\}/g,
          (_all, name: string, otherwise: string) => env[name] || otherwise,
        )
      : value
  return Compose.parse(parse(text, filledIn, { merge: true }))
}
const { services, volumes, networks } = read()
const seconds = (period: string | undefined) => Number.parseInt(period ?? '', 10)

describe('compose.yaml', () => {
  const lint = (file: string) =>
    LintResults.parse(
      new DCLinter({ rules: {}, quiet: true, debug: false, exclude: [] }).lintFiles([file], false),
    ).flatMap(({ messages }) => messages.filter(({ type }) => type === 'error'))

  test('follows the schema of the Compose Specification', () => {
    expect(lint(FILE)).toEqual([])
  })

  test('would not follow it with a misspelt key', async () => {
    await using folder = await tempFolder()
    const file = join(folder.path, 'compose.yaml')
    await writeFile(file, text.replaceAll('stop_grace_period', 'stop_grace_perod'))
    expect(lint(file)).toMatchObject([
      { message: expect.stringContaining('must NOT have additional properties') },
    ])
  })

  test('has API, workers, Redis, Prometheus and Grafana, each with a health check and time to stop', () => {
    expect(Object.keys(services).toSorted()).toEqual([
      'alex-server',
      'alex-worker',
      'grafana',
      'prometheus',
      'redis',
    ])
  })

  test('publishes to this machine alone, and Redis not at all', () => {
    const ports = Object.values(services).flatMap((service) => service.ports)
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
    expect(services['redis']?.ports).toEqual([])
    expect(networks['redis']).toEqual({ internal: true })
    expect(services['redis']?.networks).toEqual(['redis'])
  })

  test('lets Redis keep what it was told, refuse rather than forget, and ask for a password', () => {
    const command = services['redis']?.command.join(' ')
    expect(command).toContain('--appendonly yes --appendfsync everysec --maxmemory-policy noeviction --hz 1')
    expect(read({ REDIS_PASSWORD: 'a password' }).services['redis']?.command.slice(-2)).toEqual([
      '--requirepass',
      'a password',
    ])
  })

  test('starts ALEX when Redis is healthy, and Grafana when Prometheus is', () => {
    const healthy = { condition: 'service_healthy' }
    expect(services['alex-server']?.depends_on).toEqual({ redis: healthy })
    expect(services['alex-worker']?.depends_on).toEqual({ redis: healthy })
    expect(services['grafana']?.depends_on).toEqual({ prometheus: healthy })
  })

  test.each(['alex-server', 'alex-worker'])('gives %s settings it starts with', async (name) => {
    await using folder = await tempFolder()
    const env = {
      OPENAI_API_KEY: 'sk-your-key',
      REDIS_PASSWORD: 'p@ss/word',
    }
    const service = read(env).services[name]
    const { config } = loadConfig({
      argv: [],
      cwd: folder.path,
      env: { HOME: folder.path, ...service?.environment },
    })
    expect(config).toMatchObject({
      api_key: 'sk-your-key',
      redis_url: 'redis://:p%40ss%2Fword@redis:6379',
      host: '0.0.0.0',
      home: '/data',
      workspace_dir: 'per-session',
      session_dir: '/data/sessions',
      cost_dir: '/data/costs',
    })
    const script = service?.command.at(-1) ?? ''
    expect(service?.command).toEqual(['node', ...NODE_FLAGS, script])
    expect(existsSync(join(ROOT, script))).toBe(true)
    const port = name === 'alex-server' ? config.port : config.worker_port
    expect(service?.healthcheck.test).toContain(`http://localhost:${port}/health`)
    const leaving = name === 'alex-worker' ? config.shutdown_grace_s + 8 : 6
    expect(seconds(service?.stop_grace_period)).toBeGreaterThanOrEqual(leaving)
  })

  test('lets the API be asked by its name in the network, and by others that .env names', () => {
    const { environment } = read({ ALEX_ALLOWED_HOSTS: 'alex.example.com' }).services['alex-server'] ?? {}
    expect(environment?.['ALEX_ALLOWED_HOSTS']).toBe('alex-server,alex.example.com')
  })

  test('shows Prometheus and Grafana the files of grafana/, read-only', () => {
    const { prometheus, grafana } = services
    expect(prometheus?.volumes[0]).toBe('./grafana:/etc/prometheus:ro')
    expect(prometheus?.command).toContain('--config.file=/etc/prometheus/prometheus.yml')
    expect(existsSync(join(ROOT, 'grafana/prometheus.yml'))).toBe(true)
    expect(grafana?.volumes.slice(0, 2)).toEqual([
      './grafana/provisioning:/etc/grafana/provisioning:ro',
      './grafana/dashboards:/var/lib/grafana/dashboards:ro',
    ])
  })

  test('keeps sessions, costs and workspaces in volumes that both ALEX services share', () => {
    const shared = ['sessions:/data/sessions', 'costs:/data/costs', 'workspaces:/data/workspaces']
    expect(services['alex-server']?.volumes).toEqual(shared)
    expect(services['alex-worker']?.volumes).toEqual(shared)
    const named = Object.values(services)
      .flatMap((service) => service.volumes.map((volume) => volume.split(':')[0] ?? ''))
      .filter((source) => !source.startsWith('.'))
    expect([...new Set(named)].toSorted()).toEqual(Object.keys(volumes).toSorted())
    const project = read({ ALEX_WORKSPACE: '/srv/project' }).services['alex-worker']?.volumes
    expect(project).toContain('/srv/project:/data/workspaces')
  })
})
