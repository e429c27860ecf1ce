import { chmod, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createRepository, type RepositoryFixture } from './repository.ts'

const URL = 'https://github.com/acme/widget/pull/7'

let repo: RepositoryFixture
let remote: string
let bin: string
/** A clone of GitHub's side: a bare repository that the user's configuration leads to, and a program `gh`. */
beforeEach(async () => {
  const outer = await realpath(await mkdtemp(join(tmpdir(), 'alex-github-')))
  bin = join(outer, 'bin')
  remote = join(outer, 'widget.git')
  await mkdir(bin)
  const env = { PATH: `${bin}:/usr/bin:/bin` }
  const source = { GH_TOKEN: 'gho_token', OPENAI_API_KEY: 'sk-secret' }
  const inner = await createRepository({ git: { source }, env })
  repo = {
    ...inner,
    [Symbol.asyncDispose]: async () => {
      await inner[Symbol.asyncDispose]()
      await rm(outer, { recursive: true, force: true })
    },
  }
  await gh(`echo ${URL}`)
  await repo.git('init', '-q', '--bare', '-b', 'main', remote)
  await repo.git('config', '--global', `url.${remote}.insteadOf`, 'https://github.com/acme/widget.git')
  await repo.git('remote', 'add', 'origin', 'https://github.com/acme/widget.git')
  await repo.git('push', '-q', 'origin', 'main')
  await repo.git('switch', '-q', '-c', 'feature/add-b')
  await repo.write('b.txt', 'two\n')
  await repo.git('add', '.')
  await repo.git('commit', '-qm', 'feat: add b')
})
afterEach(() => repo[Symbol.asyncDispose]())

const gh = async (script: string) => {
  await writeFile(
    join(bin, 'gh'),
    `#!/bin/sh\nprintf '%s\\n' "$@" > ${bin}/arguments\nenv > ${bin}/environment\npwd > ${bin}/folder\n${script}\n`,
  )
  await chmod(join(bin, 'gh'), 0o755)
}
const asked = async (what: string) => (await readFile(join(bin, what), 'utf8').catch(() => '')).split('\n')
const propose = (args: object = {}, preset = 'full') => repo.call('git_pr', args, { preset })
const pushed = () => repo.git('-C', remote, 'branch', '--format=%(refname:short) %(subject)')

describe('git_pr', () => {
  it('pushes the branch, opens the pull request and returns its URL', async () => {
    const output = await propose()
    expect(output).toEqual({ content: `Opened a pull request: ${URL} (feature/add-b into main)` })
    expect(await pushed()).toBe('feature/add-b feat: add b\nmain first')
    expect(await asked('arguments')).toEqual([
      'pr',
      'create',
      '--repo=github.com/acme/widget',
      '--head=feature/add-b',
      '--base=main',
      '--title=feat: add b',
      '--body=- feat: add b',
      '',
    ])
  })

  it('takes title and base, and names the branch when there are several commits', async () => {
    await repo.git('push', '-q', 'origin', 'main:release-1')
    await propose({ title: '--web', base: 'release-1' })
    expect(await asked('arguments')).toEqual(expect.arrayContaining(['--title=--web', '--base=release-1']))
    await repo.git('commit', '-q', '--allow-empty', '-m', 'second')
    await propose()
    expect(await asked('arguments')).toEqual(
      expect.arrayContaining(['--title=Add b', '--body=- feat: add b', '- second']),
    )
  })

  it('gives gh its token, no other secret, and a folder that is no repository', async () => {
    await propose()
    const environment = (await asked('environment')).join('\n')
    expect(environment).toContain('GH_TOKEN=gho_token')
    expect(environment).not.toMatch(/sk-secret|OPENAI|GIT_DIR/)
    expect((await asked('folder'))[0]).not.toContain(repo.workspace)
  })

  it.each([
    [{ base: 'feature/add-b' }, /base and head are the same branch, feature\/add-b/],
    [{ base: 'no-such' }, /origin has no branch no-such/],
  ])('refuses %j, with nothing pushed', async (args, why) => {
    expect(await propose(args)).toMatchObject({ error: 'refused', content: expect.stringMatching(why) })
    expect(await pushed()).toBe('main first')
    expect(await asked('arguments')).toEqual([''])
  })

  it('refuses the default branch, a branch without commits and a detached HEAD', async () => {
    await repo.git('switch', '-q', 'main')
    expect((await propose()).content).toMatch(/base and head are the same branch, main/)
    await repo.git('switch', '-q', '-c', 'empty')
    expect((await propose()).content).toMatch(/empty has no commit that main does not have/)
    await repo.git('switch', '-q', '--detach')
    expect((await propose()).content).toMatch(/HEAD is detached/)
    expect(await pushed()).toBe('main first')
  })

  it('never takes a base for an option', async () => {
    for (const base of ['--upload-pack=x', '-x', '../x', 'a b'])
      expect((await propose({ base })).error).toBe('invalid arguments')
  })

  it('says that the branch was pushed when gh fails, and what gh said', async () => {
    await gh('echo "HTTP 401: Bad credentials" >&2; exit 1')
    const output = await propose()
    expect(output.error).toBe('refused')
    expect(output.content).toMatch(/feature\/add-b was pushed, but gh did not open[^]*401: Bad credentials/)
  })

  it('gives the URL of a pull request that is there already', async () => {
    await gh(
      `echo 'a pull request for branch "x" into branch "main" already exists:' >&2; echo ${URL} >&2; exit 1`,
    )
    expect((await propose()).content).toMatch(new RegExp(`there was a pull request already: ${URL}`))
  })

  it('says when gh is missing, with nothing pushed', async () => {
    await chmod(join(bin, 'gh'), 0o644)
    expect(await propose()).toMatchObject({ error: 'gh is not installed' })
    expect(await pushed()).toBe('main first')
  })

  it('pushes nowhere but to GitHub, least to a repository that a call may have written', async () => {
    await repo.git('init', '-q', '--bare', 'own.git')
    const own = join(repo.workspace, 'own.git')
    for (const url of [own, `file://${own}`, 'ext::sh -c touch% stolen', '-oProxyCommand=x:a/b']) {
      await repo.git('config', 'remote.origin.url', url)
      expect((await propose()).content).toMatch(/not a repository on a GitHub host/)
    }
    await repo.git('config', 'remote.origin.url', 'https://github.com/acme/widget.git')
    await repo.git('config', 'remote.origin.pushurl', own)
    expect((await propose()).content).toMatch(/pushes elsewhere than it fetches from/)
    await repo.git('remote', 'remove', 'origin')
    expect((await propose()).content).toMatch(/no remote origin/)
  })

  it('runs nothing that the repository configures, hooks included', async () => {
    const trap = join(bin, 'trap')
    await writeFile(trap, `#!/bin/sh\ntouch ${bin}/sprung\n`)
    await chmod(trap, 0o755)
    const keys = [
      'core.fsmonitor',
      'core.sshCommand',
      'remote.origin.receivepack',
      'remote.origin.uploadpack',
    ]
    for (const key of [...keys, 'credential.helper']) await repo.git('config', key, trap)
    await writeFile(join(repo.workspace, '.git/hooks/pre-push'), `#!/bin/sh\n${trap}\n`)
    await chmod(join(repo.workspace, '.git/hooks/pre-push'), 0o755)
    expect((await propose()).content).toContain(URL)
    await expect(readFile(join(bin, 'sprung'))).rejects.toThrow('ENOENT')
  })

  it('is refused by every preset but full', async () => {
    for (const preset of ['safe', 'code-only', 'read-only', 'web-only'])
      expect((await propose({}, preset)).error).toBe(`refused by preset ${preset}`)
    expect(await pushed()).toBe('main first')
  })
})
