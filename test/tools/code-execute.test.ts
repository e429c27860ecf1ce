import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LeaseLost } from '../../src/errors.ts'
import { createFixture, type Fixture, processesWith, until } from './support/fixture.ts'

describe.each(['off', 'required'] as const)('code_execute with the sandbox %s', (mode) => {
  let fixture: Fixture
  beforeAll(async () => {
    fixture = await createFixture({
      sandbox: mode,
      env: { PATH: '/usr/bin:/bin', OPENAI_API_KEY: 'sk-secret', REDIS_URL: 'redis://x' },
    })
    await fixture.write('data.txt', 'of the workspace')
  })
  afterAll(() => fixture[Symbol.asyncDispose]())
  const execute = (language: string, code: string, more: object = {}) =>
    fixture.call('code_execute', { language, code, ...more })

  it.each([
    ['python', 'print(open("data.txt").read())'],
    ['javascript', "console.log(require('node:fs').readFileSync('data.txt', 'utf8'))"],
    ['javascript', "import { readFileSync } from 'node:fs'\nconsole.log(readFileSync('data.txt', 'utf8'))"],
    ['bash', 'cat data.txt'],
  ])('runs %s in the workspace', async (language, code) => {
    expect(await execute(language, code)).toEqual({ content: 'exit code 0\nstdout:\nof the workspace' })
  })

  it('keeps the source as it is, whatever is in it', async () => {
    const { content } = await execute('python', `print('''$HOME \`id\` "'\\\\ ü -- %s''')\n`)
    expect(content).toBe(`exit code 0\nstdout:\n$HOME \`id\` "'\\ ü -- %s`)
  })

  it('answers a failing program with its exit code and what it printed', async () => {
    const output = await execute('python', 'import sys\nsys.exit("broken")')
    expect(output).toEqual({ content: 'exit code 1\nstderr:\nbroken', error: 'exit code 1' })
  })

  it('says which interpreter is missing', async () => {
    await using bare = await createFixture({ sandbox: 'off', env: { PATH: '/nowhere' } })
    const output = await bare.call('code_execute', { language: 'go', code: 'package main' })
    expect(output.error).toBe('go is not installed')
  })

  it('shows no secret of any process it can look at, up to the guard', async () => {
    const code = 'cat /proc/self/environ /proc/$PPID/environ | tr "\\0" "\\n"; env'
    const { content } = await execute('bash', code)
    expect(content).toContain('PATH=')
    expect(content).not.toMatch(/sk-secret|OPENAI|REDIS_URL|VITEST/)
  })

  it('ends a program at its time limit', async () => {
    const output = await execute('javascript', 'setInterval(() => {}, 1000)', { timeout_s: 1 })
    expect(output).toMatchObject({ error: 'timeout', content: expect.stringContaining('killed after 1 s') })
  })

  it('leaves neither folder nor process, also of a program that forked twice and left its session', async () => {
    const code = `
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "60.75"])
    os._exit(0)
os.wait()
print("done", os.environ["ALEX_CODE_DIR"])`
    const folder = /done (\S+)/.exec((await execute('python', code)).content)?.[1] ?? ''
    expect(folder).toContain('alex-code-')
    expect(existsSync(folder)).toBe(false)
    expect(await processesWith('sleep\u000060.75')).toEqual([])
  })

  it('limits memory, the size of files and core dumps', async () => {
    expect((await execute('python', 'bytearray(6 << 30)')).content).toContain('MemoryError')
    const { content } = await execute('bash', 'ulimit -c; ulimit -f; ulimit -u')
    expect(content).toBe('exit code 0\nstdout:\n0\n2097152\n4096')
  })

  it('starts nothing for an activation that lost its lease', async () => {
    const assertLease = () => {
      throw new LeaseLost('test')
    }
    const call = { language: 'bash', code: 'touch never' }
    await expect(fixture.call('code_execute', call, { assertLease })).rejects.toThrow(LeaseLost)
    await expect(fixture.read('never')).rejects.toThrow('ENOENT')
  })

  it('is stopped by an abort', async () => {
    const controller = new AbortController()
    const chunks: string[] = []
    const running = fixture.call(
      'code_execute',
      { language: 'bash', code: 'echo ready; sleep 60.875' },
      { signal: controller.signal, stream: (chunk) => chunks.push(chunk) },
    )
    await until('it runs', () => chunks.join('').includes('ready'))
    controller.abort()
    expect((await running).error).toBe('cancelled')
    expect(await processesWith('sleep\u000060.875')).toEqual([])
  })
})

describe('code_execute without a working sandbox', () => {
  it('refuses to run when the sandbox is required', async () => {
    await using fixture = await createFixture({ sandbox: 'required', env: { PATH: '/nowhere' } })
    const output = await fixture.call('code_execute', { language: 'javascript', code: 'console.log(1)' })
    expect(output.error).toBe('refused by the sandbox')
  })
})
