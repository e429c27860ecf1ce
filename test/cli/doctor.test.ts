import { execFile } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { checkWorkerClocks } from '../../src/cli/doctor/clocks.ts'
import { createClient } from '../../src/client/client.ts'
import { tempFolder } from '../config/temp.ts'
import { worker } from '../http/fleet-snapshots.ts'
import { startApi } from '../support/api.ts'
import { startRedisServer } from '../support/redis-server.ts'

const CLI = resolve(import.meta.dirname, '../../src/cli/main.ts')
const Report = z.object({
  ok: z.boolean(),
  findings: z.array(
    z.object({ part: z.string(), level: z.string(), message: z.string(), remedy: z.string() }),
  ),
})

/** A machine that has only these commands; each does nothing and ends with its number. */
const machineWith = async (commands: Record<string, number>) => {
  const folder = await tempFolder()
  onTestFinished(() => folder[Symbol.asyncDispose]())
  const bin = join(folder.path, 'bin')
  await mkdir(bin)
  for (const [name, code] of Object.entries(commands)) {
    await writeFile(join(bin, name), `#!/bin/sh\nexit ${code}\n`)
    await chmod(join(bin, name), 0o755)
  }
  const run = (args: string[], env: Record<string, string> = {}) =>
    new Promise<{ code: number; stdout: string }>((done) => {
      const child = execFile(
        process.execPath,
        [CLI, ...args],
        { env: { PATH: bin, HOME: folder.path, PORT: '1', ...env } },
        (_, stdout) => done({ code: child.exitCode ?? -1, stdout }),
      )
    })
  const report = async (env: Record<string, string> = {}) => {
    const { code, stdout } = await run(['doctor', '--json'], env)
    return { code, ...Report.parse(JSON.parse(stdout)) }
  }
  return { run, report }
}

const ALL = { 'redis-server': 0, rg: 0, bwrap: 0, git: 0, flock: 0, gh: 0 }

test('the doctor names each part that is missing, and how this system gets it', async () => {
  const { report, run } = await machineWith({ dnf: 0 })
  const { code, ok, findings } = await report()
  expect({ code, ok }).toEqual({ code: 1, ok: false })
  expect(findings.map(({ part, level }) => `${level} ${part}`)).toEqual([
    'problem redis',
    'hint key',
    'hint rg',
    'hint bwrap',
    'hint git',
    'hint git',
    'hint gh',
  ])
  expect(findings.find(({ part }) => part === 'rg')?.remedy).toMatch(/^(sudo )?dnf install -y ripgrep$/)
  const status = await run(['status'])
  expect(status.code).toBe(3)
  expect(status.stdout).toMatch(/^ALEX is not running on port 1\n! redis: .* → .*dnf install -y valkey/)
  expect(status.stdout.trimEnd().split('\n')).toHaveLength(1 + findings.length)
})

test('the doctor has nothing to say where all is there, and hints alone are no failure', async () => {
  const well = await machineWith(ALL)
  const key = { OPENAI_API_KEY: 'sk-test' }
  expect(await well.run(['doctor'], key)).toEqual({ code: 0, stdout: 'nothing is missing\n' })
  const { run } = await machineWith({ ...ALL, gh: 1 })
  const { code, stdout } = await run(['doctor'], { ...key, OTEL_TRACES_EXPORTER: 'zipkin' })
  expect(code).toBe(0)
  expect(stdout).toMatch(/^ {2}gh: not signed in: .* → .*GH_TOKEN.*\n {2}tracing: .*zipkin.*\n$/)
})

test('the doctor names a Redis that may lose tasks, and one that does not answer', async () => {
  const redis = await startRedisServer()
  onTestFinished(() => redis[Symbol.asyncDispose]())
  const { report } = await machineWith(ALL)
  const env = { OPENAI_API_KEY: 'sk-test', REDIS_URL: redis.url }
  expect(await report(env)).toEqual({ code: 0, ok: true, findings: [] })

  await redis.client.config('SET', 'appendonly', 'no')
  await redis.client.config('SET', 'maxmemory', '64mb')
  await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru')
  const bad = await report(env)
  expect(bad).toMatchObject({ code: 1, ok: false })
  expect(bad.findings.map(({ part, message, remedy }) => [part, message, remedy])).toEqual([
    ['redis', expect.stringContaining('allkeys-lru'), expect.stringContaining('noeviction')],
    ['redis', expect.stringContaining('append-only'), expect.stringContaining('appendonly yes')],
  ])

  const gone = await report({ ...env, REDIS_URL: 'redis://:hidden-word@127.0.0.1:1' })
  expect(gone.findings).toMatchObject([{ part: 'redis', message: expect.stringContaining('ECONNREFUSED') }])
  expect(JSON.stringify(gone)).not.toContain('hidden-word')
})

test('the doctor names a host whose clock is not that of Redis', async () => {
  const api = await startApi()
  onTestFinished(() => api[Symbol.asyncDispose]())
  const beat = async (id: string, host: string, at: number) => {
    const info = JSON.stringify({ ...worker({ worker_id: id, host }), at })
    await api.store.beat({ id, info }, [], 0)
  }
  await beat('w1', 'right', Date.now())
  await beat('w2', 'early', Date.now() + 60_000)
  const findings = await checkWorkerClocks(createClient({ baseUrl: api.url }))
  expect(findings).toMatchObject([{ part: 'clock', level: 'problem' }])
  expect(findings[0]?.message).toMatch(/the host early is (59|60)\.\d s ahead of that of Redis/)
})
