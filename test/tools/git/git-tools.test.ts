import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createGitTools } from '../../../src/agent/tools/git/git-tools.ts'
import { safeConfig } from '../../../src/agent/tools/git/safe-config.ts'
import { createSandbox } from '../../../src/agent/tools/sandbox.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'alex-programs-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** A folder of programs that holds only these. */
const withPrograms = async (...names: string[]) => {
  const path = join(folder, names.join('-') || 'none')
  await mkdir(path)
  for (const name of names) await symlink(`/usr/bin/${name}`, join(path, name))
  const env = { PATH: path }
  const sandbox = await createSandbox({ mode: 'off', network: 'none', closedDirs: [], env })
  return createGitTools({ enabled: true, closedDirs: [], sandbox, env, source: {} })
}

describe('the git tools', () => {
  it('are ready with git and flock', async () => {
    const { tools, state } = await withPrograms('git', 'flock')
    expect(tools.map(({ name, effect }) => [name, effect])).toEqual([
      ['git_commit', 'write'],
      ['git_pr', 'external'],
      ['git_history', 'read'],
    ])
    expect(state).toMatchObject({ status: 'ready', message: 'Git tools available' })
  })

  it.each([
    [['flock'], /^git is not installed$/],
    [['git'], /need flock/],
  ])('are not ready with %j alone, and say what is missing', async (programs, message) => {
    const { tools, state } = await withPrograms(...programs)
    expect(tools).toEqual([])
    expect(state).toMatchObject({ status: 'not_ready', message: expect.stringMatching(message) })
  })
})

describe('the configuration git gets', () => {
  it('holds harmless keys only, whatever they are called and hold', () => {
    const text = safeConfig([
      ['user.name', 'A "quoted" \\ name\n[core] fsmonitor = x'],
      ['branch.a.b"c.merge', 'refs/heads/x'],
      ['remote.origin.url', 'https://example.org/a/b.git'],
      ['remote.origin.vcs', 'ext'],
      ['url.ext::sh.insteadof', 'https://'],
      ['core.fsmonitor', '/evil'],
      ['user.signingkey', 'x'],
    ])
    expect(text).toContain('[user]\n\tname = "A \\"quoted\\" \\\\ name\\n[core] fsmonitor = x"\n')
    expect(text).toContain('[branch "a.b\\"c"]\n\tmerge = "refs/heads/x"\n')
    expect(text).not.toMatch(/evil|ext|signing|insteadof/)
  })
})
