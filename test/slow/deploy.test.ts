import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, rm, symlink } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { isAlive, until } from '../config/processes.ts'
import { tempFolder } from '../config/temp.ts'
import { freePort } from '../support/free-port.ts'

const ROOT = resolve(import.meta.dirname, '../..')

interface Outcome {
  code: number | null
  out: string
  err: string
}

const listen = async (): Promise<{ server: Server; port: number }> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { server, port: address.port }
}

/** `./deploy.sh` of this checkout with a port and homes of its own; stopped and swept after the test. */
const instance = async (extra: Record<string, string> = {}, port?: number) => {
  const folder = await tempFolder()
  const PORT = String(port ?? (await freePort()))
  const { PATH = '' } = process.env
  const env = { PATH, HOME: folder.path, ALEX_HOME: join(folder.path, 'alex'), PORT, ...extra }
  const launch = (args: string[], script = join(ROOT, 'deploy.sh'), cwd = '/') => {
    const child: ChildProcess = spawn(script, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    const heard = { out: '', err: '' }
    child.stdout?.on('data', (chunk) => (heard.out += chunk))
    child.stderr?.on('data', (chunk) => (heard.err += chunk))
    const done = once(child, 'close').then(([code]): Outcome => ({ code, ...heard }))
    return { child, heard, done }
  }
  const deploy = (...args: string[]) => launch(args).done
  const state = join(ROOT, '.alex', PORT)
  /** Rejects when it does not run: 0 would stand for the process group of this test. */
  const pid = async (name: string) => Number(await readFile(join(state, `${name}.pid`), 'utf8'))
  const dispose = async () => {
    await deploy('stop')
    await rm(state, { recursive: true, force: true })
    await folder[Symbol.asyncDispose]()
  }
  return {
    url: `http://localhost:${PORT}`,
    folder: folder.path,
    state,
    pid,
    launch,
    deploy,
    [Symbol.asyncDispose]: dispose,
  }
}

const pidsOf = async ({ pid }: { pid: (name: string) => Promise<number> }) =>
  Promise.all(['alex', 'api', 'worker', 'redis'].map(pid))

test('start, status, run, stop: from anywhere, as often as one likes, and nothing is left', async () => {
  await using alex = await instance()
  expect(await alex.deploy('status')).toMatchObject({ code: 3 })

  const started = await alex.deploy('start')
  expect(started).toMatchObject({ code: 0 })
  expect(started.out).toContain(`ready at ${alex.url}`)
  expect(started.out).toMatch(/health: healthy[\s\S]*curl -X POST/)
  const pids = await pidsOf(alex)
  expect(pids.every(isAlive)).toBe(true)

  const link = join(alex.folder, 'link.sh')
  await symlink(join(ROOT, 'deploy.sh'), link)
  const again = await alex.launch(['start'], link, alex.folder).done
  expect(again).toMatchObject({ code: 0, out: expect.stringContaining('already running') })
  expect(await pidsOf(alex)).toEqual(pids)
  const status = await alex.deploy('status')
  expect(status).toMatchObject({
    code: 0,
    out: expect.stringMatching(/api \(pid \d+\)[\s\S]*health: healthy/),
  })

  const run = await alex.deploy('run', 'Analyze the codebase')
  expect(run).toMatchObject({ code: 0, out: expect.stringContaining('package.json') })
  expect(run.out).not.toContain('→')
  expect(run.err).toMatch(/→ list_files[\s\S]*✓ list_files[\s\S]*completed/)
  expect((await alex.deploy('logs', 'api')).out).toContain('[DI] API listening')

  expect(await alex.deploy('stop')).toMatchObject({ code: 0, out: expect.stringContaining('has stopped') })
  expect(pids.some(isAlive)).toBe(false)
  await expect(fetch(alex.url)).rejects.toThrow('fetch failed')
  expect(await alex.deploy('stop')).toMatchObject({ code: 0, out: expect.stringContaining('not running') })
  const left = (await readdir(alex.folder)).filter((name) => name !== 'alex' && name !== 'link.sh')
  expect(left).toEqual([])
})

test('Ctrl-C cancels the task that is followed, and leaves with 130', async () => {
  await using alex = await instance()
  const { child, heard, done } = alex.launch(['run', 'bash: sleep 60', '--session', 'interrupted'])
  await until('the command to run', () => heard.err.includes('→ bash'))
  child.kill('SIGINT')
  expect(await done).toMatchObject({ code: 130, err: expect.stringContaining('cancelled') })
  const tasks: unknown = await fetch(`${alex.url}/api/tasks`).then((response) => response.json())
  expect(tasks).toMatchObject([{ session_id: 'interrupted', status: 'cancelled' }])
})

test('an API that dies while a task is followed is started again, and nothing is shown twice', async () => {
  await using alex = await instance()
  const { heard, done } = alex.launch(['run', 'bash: sleep 3'])
  await until('the command to run', () => heard.err.includes('→ bash'))
  process.kill(await alex.pid('api'), 'SIGKILL')
  const { code, err } = await done
  expect(code).toBe(0)
  expect(err.match(/→ bash/g)).toHaveLength(1)
  expect(err).toMatch(/✓ bash[\s\S]*completed/)
})

test('a refused task leaves with 2 and says why', async () => {
  await using alex = await instance()
  const run = await alex.deploy('run', 'anything', '--tool-preset', 'nonsense')
  expect(run).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/nonsense|read-only/) })
})

test('a port that another program holds is named, and the program is left alone', async () => {
  const { server, port } = await listen()
  await using alex = await instance({}, port)
  const started = await alex.deploy('start')
  expect(started).toMatchObject({ code: 1, err: expect.stringContaining(`held by process ${process.pid}`) })
  expect(server.listening).toBe(true)
  server.close()
})

test('a configuration that is wrong stops the start with its problems', async () => {
  await using alex = await instance({ HOST: '0.0.0.0', ALEX_MAX_TOKENS: 'many' })
  const started = await alex.deploy('start')
  expect(started.code).toBe(78)
  expect(started.err).toMatch(/ALEX_MAX_TOKENS in the environment must be a whole number/)
  expect(started.err).toMatch(/HOST in the environment is 0\.0\.0\.0/)
})

test('two instances live beside each other', async () => {
  await using one = await instance()
  await using two = await instance()
  expect(await Promise.all([one.deploy('start'), two.deploy('start')])).toMatchObject([
    { code: 0 },
    { code: 0 },
  ])
  expect(await one.deploy('stop')).toMatchObject({ code: 0 })
  expect(await two.deploy('status')).toMatchObject({ code: 0 })
})

test('two starts at the same moment end in one service', async () => {
  await using alex = await instance()
  expect(await Promise.all([alex.deploy('start'), alex.deploy('start')])).toMatchObject([
    { code: 0 },
    { code: 0 },
  ])
  expect((await pidsOf(alex)).every(isAlive)).toBe(true)
})

test('after the supervisor was killed nothing of it stays, and start works as ever', async () => {
  await using alex = await instance()
  expect(await alex.deploy('start')).toMatchObject({ code: 0 })
  const pids = await pidsOf(alex)
  process.kill(await alex.pid('alex'), 'SIGKILL')
  await until('all to be gone', () => !pids.some(isAlive))
  expect(await alex.deploy('status')).toMatchObject({ code: 3 })
  expect(await alex.deploy('start')).toMatchObject({ code: 0 })
})

test('with tokens the command line uses one of them', async () => {
  await using alex = await instance({ ALEX_API_TOKENS: 'a-long-enough-token' })
  expect(await alex.deploy('run', 'Analyze the codebase')).toMatchObject({ code: 0 })
  expect((await fetch(`${alex.url}/api/tasks`)).status).toBe(401)
})
