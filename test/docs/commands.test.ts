/** Commands of the documentation, run as they are printed against a service that was started as its users do. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { until } from '../config/processes.ts'
import { freePort } from '../support/free-port.ts'
import { startNodeProcess } from '../support/node-process.ts'
import { makeWorkspace } from '../support/worker.ts'
import { type Block, blocksOf, documentation, ROOT, readMarkdown, shellBlocksOf } from './markdown.ts'

const startService = async () => {
  const workspace = await makeWorkspace()
  await mkdir(join(workspace, 'src'))
  await writeFile(join(workspace, 'src/hello.ts'), 'export const hello = 1\n')
  const port = String(await freePort())
  const service = await startNodeProcess('src/main.ts', {
    PORT: port,
    ALEX_WORKSPACE_DIR: workspace,
    ALEX_SHUTDOWN_GRACE_S: '1',
  })
  const url = `http://localhost:${port}`
  await until('the service is ready', async () => {
    const response = await fetch(`${url}/health/ready`).catch(() => null)
    await response?.body?.cancel()
    return response?.ok ?? false
  })
  const dispose = async () => {
    await service.end('SIGTERM')
  }
  return { workspace, port, url, [Symbol.asyncDispose]: dispose }
}
type Service = Awaited<ReturnType<typeof startService>>

const run = async (command: string[], { workspace, port }: Service) => {
  const [program = '', ...args] = command
  const { PATH } = process.env
  const env = { PATH, HOME: workspace, ALEX_HOME: workspace, PORT: port }
  const child = spawn(program, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk))
  const [code] = await once(child, 'close')
  return { code, said }
}

/** A page in one shell, as somebody pastes it; an answer that is an error is a failure. */
const scriptOf = (blocks: readonly Block[], { url }: Service): string =>
  [
    'set -euo pipefail',
    'curl() { command curl --fail-with-body --max-time 60 "$@"; }',
    ...blocks.map(({ text }) => `set -v\n${text}`),
  ]
    .join('\n')
    .replaceAll('http://localhost:8080', url)

test('every shell block does what it says, and so do the examples of the client', async () => {
  await using service = await startService()
  const checks = (await documentation()).map(async (page) => {
    const markdown = await readMarkdown(page)
    const blocks = shellBlocksOf(markdown).filter(({ notRun }) => notRun === undefined)
    const { code, said } = await run(['bash', '-c', scriptOf(blocks, service)], service)
    return { page, code, said, commands: blocks.length }
  })
  const runs = await Promise.all(checks)
  // What jq says of a field that an answer does not have.
  expect(runs.filter(({ code, said }) => code !== 0 || /^null$/m.test(said))).toEqual([])
  expect(runs.reduce((sum, { commands }) => sum + commands, 0)).toBeGreaterThan(15)

  for (const page of ['README.md', 'docs/client.md']) {
    const [example] = blocksOf(await readMarkdown(page)).filter(({ language }) => language === 'js')
    const source = (example?.text ?? '')
      .replace("'alex'", `'${join(ROOT, 'src/client/client.ts')}'`)
      .replace('http://localhost:8080', service.url)
    expect(await run([process.execPath, '--input-type=module', '-e', source], service)).toEqual({
      code: 0,
      said: expect.stringMatching(/list_files[\s\S]*^completed /m),
    })
  }
})
