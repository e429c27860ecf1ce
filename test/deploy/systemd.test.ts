import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { NODE_FLAGS } from '../../src/node-flags.ts'
import { tempFolder } from '../config/temp.ts'
import { ROOT } from './dockerfile.ts'

const FOLDER = join(ROOT, 'deploy/systemd')
const UNITS = readdirSync(FOLDER)
const ANALYZE = ['/usr/bin/systemd-analyze', '/bin/systemd-analyze'].find((path) => existsSync(path))

/** Every value of a key, in order; a section's name is not looked at. */
const read = (unit: string) => {
  const lines = readFileSync(join(FOLDER, unit), 'utf8').split('\n')
  const pairs = lines.flatMap((line) => /^(\w+)=(.*)$/.exec(line)?.slice(1) ?? [])
  const values = new Map<string, string[]>()
  for (let i = 0; i < pairs.length; i += 2)
    values.set(pairs[i] ?? '', [...(values.get(pairs[i] ?? '') ?? []), pairs[i + 1] ?? ''])
  const all = (key: string) => values.get(key) ?? []
  return { all, one: (key: string) => all(key).at(-1) }
}

describe.each(UNITS)('%s', (unit) => {
  const { all, one } = read(unit)

  test.skipIf(ANALYZE === undefined)('is found right by systemd itself', async () => {
    await using folder = await tempFolder()
    const file = join(folder.path, unit)
    // It asks whether the program is there.
    await writeFile(file, readFileSync(join(FOLDER, unit), 'utf8').replaceAll('/opt/alex', ROOT))
    const { PATH } = process.env
    const said = execFileSync('sh', ['-c', '"$0" verify --man=no "$1" 2>&1', ANALYZE ?? '', file], {
      encoding: 'utf8',
      env: { PATH, SYSTEMD_LOG_LEVEL: 'warning' },
    })
    // It judges other units of this machine too.
    expect(said.split('\n').filter((line) => line.includes('alex'))).toEqual([])
  })

  test('runs node in the checkout as a user of its own, who gains nothing', () => {
    const command = one('ExecStart')?.split(' ') ?? []
    const script = command.at(-1) ?? ''
    expect(command).toEqual(['/opt/alex/node_modules/.bin/node', ...NODE_FLAGS, script])
    expect(existsSync(join(ROOT, script))).toBe(true)
    expect([one('WorkingDirectory'), one('User'), one('NoNewPrivileges')]).toEqual([
      '/opt/alex',
      'alex',
      'yes',
    ])
    expect(one('Restart')).toBe('always')
    expect(one('RestartPreventExitStatus')).toBe('78')
  })

  test('starts with its settings, the secrets from credentials', async () => {
    await using folder = await tempFolder()
    const credentials = join(folder.path, 'credentials')
    await mkdir(credentials)
    for (const credential of all('LoadCredential')) {
      const name = credential.split(':')[0] ?? ''
      await writeFile(join(credentials, name), `the-${name}\n`)
    }
    const words = all('Environment').flatMap((line) => line.replaceAll('%d', credentials).split(' '))
    const env = Object.fromEntries(words.map((word) => word.split(/=(.*)/s, 2) as [string, string]))
    const { config } = loadConfig({ argv: [], cwd: folder.path, env: { HOME: folder.path, ...env } })
    expect(config).toMatchObject({
      api_key: 'the-openai-api-key',
      redis_url: 'redis://:the-redis-password@127.0.0.1:6379',
      home: join('/var/lib', one('StateDirectory') ?? ''),
      log_format: 'json',
    })
    const leaving = unit.startsWith('alex-worker') ? config.shutdown_grace_s + 8 : 6
    expect(Number(one('TimeoutStopSec'))).toBeGreaterThanOrEqual(leaving)
  })
})

test('the worker keeps its commands until it has left itself, and bubblewrap what it needs', () => {
  const { one, all } = read('alex-worker@.service')
  expect(one('KillMode')).toBe('mixed')
  expect(all('Environment').join(' ')).toContain('ALEX_WORKSPACE_DIR=per-session')
  for (const key of [
    'RestrictNamespaces',
    'SystemCallFilter',
    'ProtectKernelTunables',
    'ProtectKernelLogs',
    'ProtectProc',
    'ProcSubset',
    'MemoryDenyWriteExecute',
  ])
    expect(all(key)).toEqual([])
  expect(one('RestrictAddressFamilies')).toContain('AF_NETLINK')
})
