/** A whole ALEX with its web console, a model that follows a script, and a browser to look at it with. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { LLMock } from '@copilotkit/aimock'
import { type Browser, chromium, type Page } from 'playwright-core'
import { createClient } from '../../src/client/client.ts'
import { freePort } from '../support/free-port.ts'
import { eventually } from '../support/processes.ts'
import { openStore } from '../support/redis.ts'

const ROOT = resolve(import.meta.dirname, '../..')
export const WEB = join(ROOT, 'dist/web')
/** For people to look at. */
export const SHOTS = join(ROOT, '.alex/screenshots')

export type Console = Awaited<ReturnType<typeof startConsole>>

export const startConsole = async () => {
  await using starting = new AsyncDisposableStack()
  const home = await mkdtemp(join(tmpdir(), 'alex-test-console-'))
  starting.defer(() => rm(home, { recursive: true, force: true, maxRetries: 5 }))
  const workspace = join(home, 'workspace')
  await mkdir(workspace)

  await run(['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'error'])
  const model = new LLMock({ port: 0, logLevel: 'silent' })
  await model.start()
  starting.defer(async () => {
    await model.stop()
  })

  const open = openStore()
  starting.use(open)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const logs = join(home, 'logs')
  const alex = spawn(process.execPath, ['src/main.ts', '--log-dir', logs], {
    cwd: ROOT,
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      ALEX_HOME: join(home, 'alex'),
      ALEX_WORKSPACE_DIR: workspace,
      ALEX_REDIS_PREFIX: open.prefix,
      REDIS_URL: open.url,
      PORT: String(port),
      OPENAI_API_KEY: 'sk-test',
      OPENAI_BASE_URL: `${model.url}/v1`,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  starting.defer(async () => {
    alex.kill('SIGTERM')
    if (alex.exitCode === null) await once(alex, 'exit')
  })
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  })
  starting.defer(() => browser.close())
  await eventually(async () => (await fetch(`${url}/health/ready`).catch(() => null))?.ok === true)

  const ending = starting.move()
  return {
    url,
    model,
    workspace,
    store: open.store,
    browser,
    client: createClient({ baseUrl: url }),
    /** Ends the API without a word; its supervisor starts another. Resolves when that one answers. */
    async killApi() {
      const pid = Number(await readFile(join(logs, 'api.pid'), 'utf8'))
      process.kill(pid, 'SIGKILL')
      await eventually(async () => {
        const live = await fetch(`${url}/health/ready`).catch(() => null)
        return live?.ok === true
      })
    },
    [Symbol.asyncDispose]: () => ending.disposeAsync(),
  }
}

/** A page of its own; whatever it complains about is collected. */
export const openPage = async (
  browser: Browser,
  address: string,
  options: Parameters<Browser['newPage']>[0] = {},
): Promise<Page & { complaints: string[] }> => {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, ...options })
  const complaints: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.setDefaultTimeout(15_000)
  await page.goto(address)
  return Object.assign(page, { complaints })
}

/** Of the build, in bytes, as the API sends it to a browser that knows gzip alone. */
export const buildSizes = async () => {
  const assets = join(WEB, 'assets')
  const scripts = (await readdir(assets)).filter((name) => name.endsWith('.js.gz'))
  const sizes = await Promise.all(scripts.map(async (name) => (await stat(join(assets, name))).size))
  return { js: sizes.reduce((sum, size) => sum + size, 0) }
}

const run = async (args: string[]): Promise<void> => {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${String(code)}`)
}
