/** The package as others get it: packed, installed into an empty folder, used from there. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { freePort } from '../support/free-port.ts'

const execute = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')
let folder: string
/** What a stranger has: neither our settings nor our home. */
let env: NodeJS.ProcessEnv

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'alex-test-package-'))
  env = { PATH: process.env['PATH'], HOME: folder, npm_config_cache: process.env['npm_config_cache'] }
  const packed = await execute('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root })
  const name = /"filename": "([^"]+)"/.exec(packed.stdout)?.[1] ?? 'none'
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  const quietly = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  // With the cache of whoever runs this: what it installs is public.
  await execute('npm', ['install', ...quietly, join(folder, name)], { cwd: folder })
}, 200_000)
afterAll(async () => {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

test('npx alex --help tells how to use it', async () => {
  const { stdout } = await execute('npx', ['--no-install', 'alex', '--help'], { cwd: folder, env })
  expect(stdout).toMatch(/^usage: alex /i)
})

test('the example of the README runs against the service of the package', async () => {
  const url = `http://127.0.0.1:${await freePort()}`
  const service = spawn('node', ['node_modules/alex/dist/src/main.js'], {
    cwd: folder,
    env: {
      ...env,
      PATH: `${join(folder, 'node_modules/.bin')}:${process.env['PATH']}`,
      PORT: new URL(url).port,
      ALEX_HOME: join(folder, 'home'),
      ALEX_WORKSPACE_DIR: join(folder, 'node_modules/alex'),
    },
    stdio: 'ignore',
  })
  try {
    await untilHealthy(url)
    expect(await fetch(url).then((answer) => answer.text())).toContain('<div id="root">')
    const readme = await readFile(join(folder, 'node_modules/alex/README.md'), 'utf8')
    const example = /```js\n(import \{ createClient \}[^`]*(?:`[^`]+`[^`]*)*)```/.exec(readme)?.[1] ?? ''
    await writeFile(join(folder, 'example.js'), example.replace('http://localhost:8080', url))
    const { stdout } = await execute('node', ['example.js'], { cwd: folder, env })
    expect(stdout).toContain('→ list_files')
    expect(stdout).toMatch(/\ncompleted with \d+ tokens\n$/)
  } finally {
    service.kill('SIGTERM')
    await once(service, 'exit')
  }
})

test('its types hold in a program that uses them', async () => {
  const program = `import { AlexError, createClient, type StreamEvent, type Task } from 'alex'
    const alex = createClient({ baseUrl: '' })
    const task: Task = await alex.wait('task-1')
    const answer: string | undefined = task.result?.answer
    const show = (event: StreamEvent): string | undefined =>
      event.event_type === 'task_complete' ? event.final_answer : answer
    for await (const event of alex.events({ session: 'demo' })) show(event)
    // @ts-expect-error -- no such status
    await alex.tasks({ status: ['done'] })
    export const code = (error: unknown) => (error instanceof AlexError ? error.code : undefined)
`
  await writeFile(join(folder, 'program.ts'), program)
  const asked = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'esnext', '--lib', 'esnext,dom']
  const compiler = join(root, 'node_modules/.bin/tsc')
  const { stdout } = await execute(compiler, [...asked, 'program.ts'], { cwd: folder })
  expect(stdout).toBe('')
})

const untilHealthy = async (url: string): Promise<void> => {
  const client = createClient({ baseUrl: url, retries: 30 })
  while ((await client.health()).status === 'unhealthy') await new Promise((again) => setTimeout(again, 100))
}
