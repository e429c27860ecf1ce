/** No container engine is needed to carry out what the image does: its steps run in plain folders. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, cp, mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { isAlive, until } from '../config/processes.ts'
import { tempFolder } from '../config/temp.ts'
import { environmentOf, last, ROOT, readStages, type Stage, type Step } from '../deploy/dockerfile.ts'
import { freePort } from '../support/free-port.ts'

const run = promisify(execFile)
const NODE_USER = 1000
const IS_ROOT = process.getuid?.() === 0
/** Absolute paths of the image are below its stage's folder. */
const ABSOLUTE = /(?<=^|[\s=])\/(?=(?:app|data|workspace)\b)/g

/** Every step but the system's packages, which this machine has. */
const build = async (stages: Stage[], folder: string): Promise<string> => {
  for (const { name, steps } of stages) {
    await mkdir(join(folder, name))
    let workdir = join(folder, name)
    for (const step of steps) {
      if (step.keyword === 'WORKDIR') {
        workdir = join(folder, name, step.text)
        await mkdir(workdir, { recursive: true })
      } else if (step.keyword === 'COPY') await copy(step, folder, workdir)
      else if (step.keyword === 'RUN' && !step.text.startsWith('apt-get'))
        await carryOut(step.text, join(folder, name), workdir)
    }
  }
  return join(folder, stages.at(-1)?.name ?? '')
}

const copy = async ({ words, from }: Step, folder: string, workdir: string) => {
  const to = words.at(-1) ?? ''
  for (const source of words.slice(0, -1)) {
    const path = from === undefined ? join(ROOT, source) : join(folder, from, source)
    await cp(path, to.endsWith('/') ? join(workdir, to, source) : join(workdir, to), {
      recursive: true,
      verbatimSymlinks: true,
    })
  }
}

const carryOut = async (text: string, root: string, cwd: string) => {
  // Those of development are this checkout's: a second installation would show nothing new.
  if (text.startsWith('npm install --include=dev'))
    return symlink(join(ROOT, 'node_modules'), join(cwd, 'node_modules'))
  const owner = IS_ROOT ? `${NODE_USER}:${NODE_USER}` : `${process.getuid?.()}:${process.getgid?.()}`
  const command = text.replaceAll(ABSOLUTE, `${root}/`).replace('node:node', owner)
  // What npm has fetched once need not be fetched again.
  const env = { ...process.env, npm_config_prefer_offline: 'true' }
  await run('sh', ['-ec', command], { cwd, env })
}

test("the image's steps make a service that answers its health check, runs a task and leaves at SIGTERM", async () => {
  const folder = await tempFolder()
  onTestFinished(() => folder[Symbol.asyncDispose]())
  await chmod(folder.path, 0o755)
  const stages = readStages()
  const root = await build(stages, folder.path)
  const image = stages.at(-1)
  // The image's Node, where its user may run it.
  const bin = join(folder.path, 'bin')
  await mkdir(bin)
  await copyFile(process.execPath, join(bin, 'node'))

  const ownPaths = Object.entries(environmentOf(image)).map(([name, value]) => [
    name,
    value.replaceAll(ABSOLUTE, `${root}/`),
  ])
  const env: Record<string, string> = {
    ...(Object.fromEntries(ownPaths) as Record<string, string>),
    PATH: `${bin}:${process.env['PATH']}`,
    HOME: join(root, 'data'),
    PORT: String(await freePort()),
    ALEX_ALLOW_ANONYMOUS: 'true',
  }
  const user = IS_ROOT ? { uid: NODE_USER, gid: NODE_USER } : {}
  const [program = '', ...args] = last(image, 'CMD')?.words ?? []
  const cwd = join(root, last(image, 'WORKDIR')?.text ?? '')
  const service = spawn(program, args, { cwd, env, ...user, stdio: ['ignore', 'ignore', 'inherit'] })
  onTestFinished(async () => {
    if (service.exitCode === null && service.signalCode === null) service.kill('SIGKILL')
    await until('the service to be gone', () => !isAlive(service.pid ?? 0))
  })

  const check = last(image, 'HEALTHCHECK')?.text.replace(/^.*?CMD /, '') ?? 'false'
  await until('the health check to succeed', () =>
    run('sh', ['-c', check], { env }).then(
      () => true,
      () => false,
    ),
  )
  const url = `http://localhost:${env['PORT']}`
  expect(await fetch(url).then((answer) => answer.text())).toContain('<div id="root">')
  const created = await fetch(`${url}/api/tasks`, {
    method: 'POST',
    body: JSON.stringify({ task: 'bash: pwd; git --version; rg --version; jq --version' }),
    headers: { 'Content-Type': 'application/json' },
  })
  const { task_id } = (await created.json()) as { task_id: string }
  const task = await fetch(`${url}/api/tasks/${task_id}?wait_s=30`).then((answer) => answer.text())
  expect(task).toContain('"status":"completed"')
  expect(task).toContain(join(root, 'workspace'))

  const ended = once(service, 'exit')
  service.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
}, 60_000)
