import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LeaseLost } from '../../src/errors.ts'
import { createFixture, type Fixture, processesWith, until } from './support/fixture.ts'

const loseLease = (): void => {
  throw new LeaseLost('test')
}

describe.each(['off', 'required'] as const)('bash with the sandbox %s', (mode) => {
  let fixture: Fixture
  beforeAll(async () => {
    fixture = await createFixture({
      sandbox: mode,
      env: { OPENAI_API_KEY: 'sk-secret', REDIS_URL: 'redis://x' },
    })
  })
  afterAll(() => fixture[Symbol.asyncDispose]())

  it('runs in the workspace and returns exit code and both outputs', async () => {
    const output = await fixture.call('bash', { command: 'pwd; echo oops >&2; echo hi > made' })
    expect(output.content).toBe(`exit code 0\nstdout:\n${fixture.workspace}\nstderr:\noops`)
    expect(output.error).toBeUndefined()
    expect(await fixture.read('made')).toBe('hi\n')
  })

  it('answers a failing command with its exit code as the error', async () => {
    expect(await fixture.call('bash', { command: 'exit 3' })).toEqual({
      content: 'exit code 3\n(no output)',
      error: 'exit code 3',
    })
  })

  it('shows no secret of the environment to the command', async () => {
    const { content } = await fixture.call('bash', { command: 'env' })
    expect(content).not.toMatch(/sk-secret|OPENAI|REDIS_URL|VITEST/)
    expect(content).toContain('PATH=')
  })

  it('streams output while the command runs', async () => {
    const chunks: string[] = []
    const running = fixture.call(
      'bash',
      { command: `printf first; until [ -e go-on ]; do sleep 0.02; done; printf second` },
      { stream: (chunk) => chunks.push(chunk) },
    )
    await until('the first output came', () => chunks.join('') === 'first')
    await fixture.write('go-on', '')
    expect((await running).content).toContain('firstsecond')
    expect(chunks.join('')).toBe('firstsecond')
  })

  it('keeps head and tail of a flood and stays alive', async () => {
    let live = 0
    const output = await fixture.call(
      'bash',
      { command: 'echo begin; yes | head -c 30000000; echo end' },
      { stream: (chunk) => (live += chunk.length) },
    )
    expect(output.truncated).toBe(true)
    expect(output.content.length).toBeLessThanOrEqual(16_000)
    expect(output.content).toMatch(/begin\n[^]*\[… \d+ characters cut here …\][^]*end/)
    expect(live).toBeLessThan(260_000)
  })

  it('gives text for invalid UTF-8, split characters and terminal colours', async () => {
    const { content } = await fixture.call('bash', {
      command: String.raw`printf '\033[31mred\033[0m \xff '; printf '\xc3'; sleep 0.1; printf '\xbc\0!'`,
    })
    expect(content).toBe('exit code 0\nstdout:\nred � ü!')
  })

  it('ends a command at its time limit', async () => {
    const output = await fixture.call('bash', { command: 'echo before; sleep 60', timeout_s: 1 })
    expect(output.error).toBe('timeout')
    expect(output.content).toMatch(/killed after 1 s[^]*before/)
  })

  it('kills everything on abort, also what left the process group', async () => {
    const controller = new AbortController()
    const chunks: string[] = []
    const running = fixture.call(
      'bash',
      { command: 'setsid sleep 60.125 & nohup sleep 60.125 >/dev/null 2>&1 & echo ready; wait' },
      { signal: controller.signal, stream: (chunk) => chunks.push(chunk) },
    )
    await until('it runs', () => chunks.join('').includes('ready'))
    expect((await processesWith('60.125')).length).toBeGreaterThan(0)
    controller.abort()
    expect((await running).error).toBe('cancelled')
    expect((await processesWith('sleep\u000060.125')).length).toBe(0)
  })

  it('leaves no background process when the command ended by itself', async () => {
    const output = await fixture.call('bash', {
      command: 'setsid sleep 60.25 & (nohup sleep 60.25 &) ; sleep 60.25 & echo done',
    })
    expect(output.content).toContain('done')
    expect(await processesWith('sleep\u000060.25')).toEqual([])
  })

  it('loses to a fork bomb of generations that leave their group', async () => {
    const command = 'f() { (setsid bash -c "$(declare -f f); sleep 0.0375; f" &) ; }; f; sleep 0.3; echo done'
    expect((await fixture.call('bash', { command })).content).toContain('done')
    expect(await processesWith('0.0375')).toEqual([])
  })

  it('does not start anything for an activation that lost its lease', async () => {
    const running = fixture.call('bash', { command: 'touch never' }, { assertLease: loseLease })
    await expect(running).rejects.toThrow(LeaseLost)
    await expect(stat(join(fixture.workspace, 'never'))).rejects.toThrow('ENOENT')
  })

  it('gives a command no input to wait for', async () => {
    expect((await fixture.call('bash', { command: 'cat; echo after' })).content).toContain('after')
  })
})

describe('bash without a working sandbox', () => {
  const env = { PATH: '/nowhere' }

  it('refuses to run when the sandbox is required', async () => {
    await using fixture = await createFixture({ sandbox: 'required', env })
    const output = await fixture.call('bash', { command: 'echo ran' })
    expect(output.error).toBe('refused by the sandbox')
    expect(output.content).toMatch(/required, but bubblewrap does not work here: it is not installed/)
  })

  it('runs under the guard alone when the sandbox is auto', async () => {
    await using fixture = await createFixture({ sandbox: 'auto', env })
    expect((await fixture.call('bash', { command: 'echo ran' })).content).toContain('ran')
  })
})
