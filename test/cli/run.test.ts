/** `alex run` and `alex watch` as real processes against a real API and worker with a scripted model. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startTearingProxy } from '../client/tearing-proxy.ts'
import { alexWith } from '../support/alex.ts'
import { freePort } from '../support/free-port.ts'
import { calls, startService } from '../support/service.ts'

const HOSTILE = '\u001b[31mred\u001b]0;title\u0007 \u009b2Jgone'
const SLEEP = calls(['bash', { command: 'sleep 60' }])

const seqs = (ndjson: string) =>
  ndjson
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { seq: number }).seq)

test('in a pipe only the answer is on stdout, without escape sequences; a broken connection loses nothing', async () => {
  const service = await startService()
  service.model.on({ turnIndex: 0 }, calls(['bash', { command: 'echo hello' }]))
  service.model.on({ turnIndex: 1 }, { content: `It says hello. ${HOSTILE}` })
  await service.startWorker()
  await using proxy = await startTearingProxy(service.url)
  const alex = await alexWith({ ALEX_URL: proxy.url })

  const piped = await alex.begin(['run', '-', '--session', 'piped'], {}, 'say hello').done
  expect(piped.code).toBe(0)
  expect(piped.out).toBe('It says hello. red gone\n')
  expect(piped.err).toMatch(/→ bash command="echo hello"[\s\S]*✓ bash[\s\S]*completed/)
  expect(piped.err).not.toContain('\u001b')
  expect(piped.err.match(/✓ bash/g)).toHaveLength(1)

  const coloured = await alex.begin(['run', 'hello', '--quiet'], { FORCE_COLOR: '1' }).done
  expect(coloured).toMatchObject({ code: 0, err: '' })

  proxy.cutAfter(1200, 900, 1100)
  const torn = await alex.begin(['run', 'once more', '--json'], { FORCE_COLOR: '1' }).done
  expect(torn.code).toBe(0)
  expect(proxy.cutsLeft()).toBe(0)
  expect(torn.err).toMatch(/connection lost[\s\S]*connected again[\s\S]*completed/)
  expect(torn.err).toContain('\u001b[32m')
  const seen = seqs(torn.out)
  expect(seen).toEqual(seen.map((_, i) => i + 1))

  // A terminal shows the answer as it comes.
  const [task] = (await alex.json('tasks', '--session', 'piped')) as [{ task_id: string }]
  const terminal = await alex.onTerminal(['watch', task.task_id]).done
  expect(terminal.code).toBe(0)
  expect(terminal.out).toMatch(
    /✓[^\n]* bash command="echo hello"[\s\S]*It says hello\. red gone\r\n[\s\S]*completed/,
  )
  for (const sign of ['\u009b', '\u001b]', '\u001b[2J', '→']) expect(terminal.out).not.toContain(sign)
  const plain = await alex.onTerminal(['watch', task.task_id], { NO_COLOR: '1' }).done
  expect(plain.out).toContain('✓ bash')
  // oxlint-disable-next-line no-control-regex -- colours are what is looked for
  expect(plain.out).not.toMatch(/\u001b\[\d+m/)
})

test('on a terminal a spinner turns; Ctrl-C offers to cancel or to detach, the second detaches', async () => {
  const service = await startService()
  service.model.on({}, SLEEP)
  const alex = await alexWith({})
  const worker = alex.begin(['worker', '--worker-concurrency', '3'], {
    REDIS_URL: service.url_redis,
    ALEX_REDIS_PREFIX: service.prefix,
    ALEX_WORKSPACE_DIR: service.workspace,
    OPENAI_BASE_URL: `${service.model.url}/v1`,
  })
  await worker.says('[DI] worker started')
  const run = ['run', 'sleep', '--url', service.url]

  const first = alex.onTerminal(run)
  await first.says(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] bash command="sleep 60"/)
  first.type('\u0003')
  await first.says('[d]etach')
  first.type('x')
  await first.says(/following: [\s\S]*[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/)
  first.type('\u0003')
  await first.says(/\[d\]etach[\s\S]*\[d\]etach/)
  first.type('c')
  const cancelled = await first.done
  expect(cancelled.code).toBe(130)
  expect(cancelled.out).toMatch(/cancelling …[\s\S]*cancelled: task cancelled by user/)

  const second = alex.onTerminal(run)
  await second.says(/bash command="sleep 60"/)
  second.type('\u0003')
  await second.says('[d]etach')
  second.type('\u0003')
  const detached = await second.done
  const id = /alex watch (task-[\w-]+)/.exec(detached.out)?.[1] ?? ''
  expect(detached.code).toBe(130)
  const show = ['show', id, '--url', service.url]
  expect(await alex.json(...show)).toMatchObject({ status: 'running' })

  const watching = alex.begin(['watch', id, '--url', service.url])
  await watching.says('→ bash')
  const cancel = await alex.run('cancel', id, '--reason', 'enough', '--url', service.url)
  expect(cancel).toEqual({ code: 0, out: `cancelled ${id}\n`, err: '' })
  expect(await watching.done).toMatchObject({ code: 4, err: expect.stringContaining('cancelled: enough') })
  expect(await alex.run(...show, '--wait')).toMatchObject({ code: 4 })

  const script = alex.begin(run)
  await script.says('→ bash')
  script.child.kill('SIGINT')
  expect(await script.done).toMatchObject({ code: 130, out: '', err: expect.stringContaining('cancelled') })
  worker.child.kill('SIGTERM')
  expect(await worker.done).toMatchObject({ code: 0, err: '' })
})

test('who asks where nobody answers, or without the right token, is told what to do', async () => {
  const service = await startService({ tokens: ['a-long-enough-token'] })
  const alex = await alexWith({ ALEX_URL: service.url })
  const closed = `http://localhost:${await freePort()}`
  const nobody = await alex.run('tasks', '--url', closed)
  expect(nobody).toMatchObject({ code: 3, out: '' })
  expect(nobody.err).toContain(`nobody answers at ${closed} (as --url says)`)
  expect(await alex.run('watch', '--session', 'demo', '--url', closed)).toMatchObject({ code: 3 })
  expect(nobody.err).toMatch(/deploy\.sh start or alex serve.*--url or ALEX_URL/)

  expect(await alex.run('tasks')).toMatchObject({ code: 2, err: expect.stringMatching(/set ALEX_TOKEN/) })
  const wrong = await alex.begin(['tasks'], { ALEX_TOKEN: 'another-long-token' }).done
  expect(wrong).toMatchObject({ code: 2, err: expect.stringMatching(/look at ALEX_TOKEN/) })
  // One's own API's tokens are not shown to others.
  const own = await alex.begin(['tasks'], { ALEX_API_TOKENS: 'a-long-enough-token' }).done
  expect(own).toMatchObject({ code: 2, err: expect.stringMatching(/wants a token/) })

  await writeFile(join(alex.home, 'token'), 'a-long-enough-token\n')
  expect(await alex.run('tasks', '--json', '--token-file', 'token')).toEqual({
    code: 0,
    out: '[]\n',
    err: '',
  })
  const right = await alex.begin(['submit', 'do it'], { ALEX_TOKEN: 'a-long-enough-token' }).done
  expect(right).toMatchObject({ code: 0, out: expect.stringMatching(/^task-[\w-]+\n$/), err: '' })
})
