/** The package as others get it: packed, unpacked into an empty folder beside what it depends on, used from there. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
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
  await install(join(folder, name))
}, 200_000)
afterAll(async () => {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

/**
 * As npm does it, but what the package depends on is copied from here, in the versions of the lock file and without
 * what only development needs: asking a registry for every one of them takes minutes when it is slow.
 */
const install = async (tarball: string) => {
  const modules = join(folder, 'node_modules')
  await mkdir(join(modules, '.bin'), { recursive: true })
  await mkdir(join(modules, 'alex'))
  await execute('tar', ['-xzf', tarball, '-C', join(modules, 'alex'), '--strip-components=1'])
  const { packages } = Lock.parse(JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')))
  for (const [path, { dev, devOptional }] of Object.entries(packages)) {
    const [, name] = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path) ?? []
    if (name === undefined || dev || devOptional || !existsSync(join(root, path))) continue
    await cp(join(root, path), join(modules, name), { recursive: true, verbatimSymlinks: true })
  }
  const { bin } = Manifest.parse(JSON.parse(await readFile(join(modules, 'alex/package.json'), 'utf8')))
  await chmod(join(modules, 'alex', bin.alex), 0o755)
  await symlink(`../alex/${bin.alex}`, join(modules, '.bin/alex'))
  await symlink('../node/bin/node', join(modules, '.bin/node'))
}
const Lock = z.object({
  packages: z.record(
    z.string(),
    z.looseObject({ dev: z.boolean().optional(), devOptional: z.boolean().optional() }),
  ),
})
const Manifest = z.looseObject({ bin: z.object({ alex: z.string() }) })

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
