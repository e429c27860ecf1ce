import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createRepository, type RepositoryFixture } from './repository.ts'

let repo: RepositoryFixture
beforeEach(async () => {
  repo = await createRepository({ sandbox: 'required' })
  // The home lies below /tmp, which the sandbox hides.
  await repo.git('config', 'user.name', 'Ada')
  await repo.git('config', 'user.email', 'ada@example.org')
})
afterEach(() => repo[Symbol.asyncDispose]())

const commit = (args: object, preset = 'code-only') => repo.call('git_commit', args, { preset })

describe('git in the sandbox', () => {
  it('commits and shows history as without it', async () => {
    await repo.write('b.txt', 'two\n')
    expect((await commit({ message: 'add b', auto: true })).error).toBeUndefined()
    expect(await repo.git('status', '--porcelain')).toBe('')
    expect((await repo.call('git_history', {})).content).toMatch(/Ada: add b\n.* Ada: first$/)
  })

  it('names a file of secrets that commands cannot even see, and never takes one back', async () => {
    await repo.write('.env', 'A=hidden-value\n')
    expect((await commit({ message: 'x', auto: true })).content).toContain('- .env: ')
    await repo.git('add', '-f', '.env')
    await repo.git('commit', '-qm', 'a mistake of the user')
    await repo.write('b.txt', 'two\n')
    expect((await commit({ message: 'add b', auto: true })).error).toBeUndefined()
    expect(await repo.git('ls-files')).toBe('.env\na.txt\nb.txt')
    expect(await repo.git('status', '--porcelain')).toBe('')
  })

  it('works in a linked working tree', async () => {
    await using side = await createRepository({ sandbox: 'required' })
    await rm(join(side.workspace, '.git'), { recursive: true })
    await rm(join(side.workspace, 'a.txt'))
    await repo.git('worktree', 'add', '-q', '--force', '-b', 'side', side.workspace)
    await side.write('c.txt', 'three\n')
    const output = await side.call('git_commit', { message: 'from the side', auto: true })
    expect(output.error).toBeUndefined()
    expect(await repo.git('log', '-1', '--format=%s', 'side')).toBe('from the side')
    const escape = await side.call('bash', { command: 'echo "gitdir: evil" > .git || echo closed' })
    expect(escape.content).toContain('closed')
  })

  it.each(['COMMIT_EDITMSG', 'logs/HEAD', 'logs/refs/heads/main', 'ORIG_HEAD'])(
    'writes nothing outside through a symlink that a command made of .git/%s',
    async (name) => {
      const outside = join(repo.root, 'profile')
      await writeFile(outside, 'mine\n')
      await rm(join(repo.workspace, '.git', name), { force: true })
      await symlink(outside, join(repo.workspace, '.git', name))
      await repo.write('b.txt', 'two\n')
      for (const preset of ['code-only', 'full']) {
        await commit({ message: '; evil', auto: true }, preset)
        expect(await repo.read('../profile')).toBe('mine\n')
      }
    },
  )

  it('runs hooks as confined as a shell, and leaves no process behind', async () => {
    const hook = join(repo.workspace, '.git/hooks/pre-commit')
    const script = `touch ${repo.root}/outside; setsid sleep 61.5 & cat .env; env; echo ran > ran.txt`
    await mkdir(join(hook, '..'), { recursive: true })
    await writeFile(hook, `#!/bin/sh\n${script}\n`)
    await chmod(hook, 0o755)
    await repo.write('.gitignore', '.env\n')
    await repo.write('.env', 'hidden-value\n')
    const output = await commit({ message: 'add all', auto: true }, 'full')
    expect(output.error).toBeUndefined()
    expect(output.content).toContain('Permission denied')
    expect(output.content).not.toMatch(/hidden-value|VITEST/)
    expect(await repo.read('ran.txt')).toBe('ran\n')
    await expect(repo.read('../outside')).rejects.toThrow('ENOENT')
  })
})
