import { appendFile, chmod, copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { repositoryOf } from '../../../src/agent/tools/git/repository.ts'
import { createRepository, type RepositoryFixture } from './repository.ts'

let repo: RepositoryFixture
/** Every trap runs this, which leaves a line in `sprung`. */
let trap: string
beforeEach(async () => {
  repo = await createRepository()
  trap = join(repo.root, 'trap')
  await writeFile(trap, `#!/bin/sh\necho "$0 $@" >> ${repo.root}/sprung\n`)
  await chmod(trap, 0o755)
})
afterEach(() => repo[Symbol.asyncDispose]())

const sprung = () => repo.read('../sprung').catch(() => 'no trap')

/** What a command without a sandbox, or another program, may have written before. */
const setTraps = async () => {
  const keys = [
    ['core.fsmonitor', trap],
    ['core.sshCommand', trap],
    ['core.pager', trap],
    ['core.editor', trap],
    ['core.askPass', trap],
    ['core.gitProxy', trap],
    ['core.alternateRefsCommand', trap],
    ['sequence.editor', trap],
    ['diff.external', trap],
    ['diff.trap.command', trap],
    ['diff.trap.textconv', trap],
    ['merge.trap.driver', trap],
    ['gpg.program', trap],
    ['gpg.ssh.program', trap],
    ['commit.gpgSign', 'true'],
    ['log.showSignature', 'true'],
    ['credential.helper', `!${trap}`],
    ['interactive.diffFilter', trap],
    ['trailer.x.command', trap],
    ['uploadpack.packObjectsHook', trap],
    ['remote.origin.uploadpack', trap],
    ['remote.origin.receivepack', trap],
    ['alias.log', `!${trap}`],
    ['alias.status', `!${trap}`],
    ['pager.log', trap],
    ['extensions.worktreeConfig', 'true'],
    ['include.path', join(repo.workspace, 'more.config')],
    ['core.hooksPath', join(repo.workspace, 'hooks')],
  ] as const
  await mkdir(join(repo.workspace, 'hooks'))
  await writeFile(join(repo.workspace, '.git', 'config.worktree'), `[core]\n\tfsmonitor = ${trap}\n`)
  await repo.write('more.config', `[core]\n\tfsmonitor = ${trap}\n[diff "trap"]\n\ttextconv = ${trap}\n`)
  const hooks = 'pre-commit prepare-commit-msg commit-msg post-commit post-index-change reference-transaction'
  for (const folder of [join(repo.workspace, 'hooks'), join(repo.workspace, '.git', 'hooks')]) {
    await mkdir(folder, { recursive: true })
    for (const name of hooks.split(' ')) {
      await writeFile(join(folder, name), `#!/bin/sh\n${trap} < /dev/null\n`)
      await chmod(join(folder, name), 0o755)
    }
  }
  await repo.write('.gitattributes', '*.txt diff=trap merge=trap\n')
  const written = keys.map(([key, value]) => {
    const [, section, subsection, name] = /^([^.]+)(?:\.(.+))?\.([^.]+)$/.exec(key) ?? []
    return `[${section}${subsection === undefined ? '' : ` "${subsection}"`}]\n\t${name} = "${value}"\n`
  })
  await appendFile(join(repo.workspace, '.git', 'config'), written.join(''))
}

describe('what a repository holds that runs code', () => {
  it('never runs outside full: not for history, not for a proposal, not for a commit', async () => {
    await setTraps()
    await repo.write('a.txt', 'two\n')
    const calls = [
      ['git_history', { type: 'code', query: 'one' }, 'read-only'],
      ['git_history', { type: 'file', query: 'a.txt' }, 'safe'],
      ['git_commit', { message: 'proposed' }, 'safe'],
      ['git_commit', { message: 'all traps', auto: true }, 'code-only'],
    ] as const
    for (const [name, args, preset] of calls) {
      expect((await repo.call(name, args, { preset })).error).toBeUndefined()
    }
    expect(await sprung()).toBe('no trap')
    // Git as it is called by hand springs them: they are set well.
    await repo.git('commit', '-q', '--allow-empty', '--no-gpg-sign', '-m', 'by hand').catch(() => '')
    await repo.git('diff', 'HEAD~1').catch(() => '')
    expect((await sprung()).split('\n').length).toBeGreaterThan(3)
  })

  it('under full is its hooks alone', async () => {
    await setTraps()
    await repo.git('config', '--unset', 'core.hooksPath')
    await repo.write('a.txt', 'two\n')
    expect((await repo.call('git_commit', { message: 'x' })).error).toBeUndefined()
    expect(await sprung()).toBe('no trap')
  })

  it('is not committed through: a filter is refused, naming the file', async () => {
    await repo.git('config', 'filter.trap.clean', trap)
    await repo.git('config', 'filter.trap.process', trap)
    await repo.write('.gitattributes', '*.bin filter=trap\n')
    await repo.write('x.bin', 'x\n')
    const output = await repo.call('git_commit', { message: 'x', auto: true }, { preset: 'code-only' })
    expect(output.content).toMatch(/x\.bin goes through the git filter trap/)
    expect(await sprung()).toBe('no trap')
  })

  it('is not looked into below: a repository within the workspace', async () => {
    await repo.git('init', '-q', 'inner')
    await repo.write('inner/x.txt', 'x\n')
    await repo.git('-C', 'inner', 'add', '.')
    await repo.git('-C', 'inner', 'commit', '-qm', 'inner')
    await repo.git('add', 'inner')
    await repo.git('commit', '-qm', 'a repository within')
    await repo.git('-C', 'inner', 'config', 'core.fsmonitor', trap)
    await repo.write('inner/x.txt', 'changed\n')
    await repo.write('b.txt', 'b\n')
    const output = await repo.call('git_commit', { message: 'b', auto: true }, { preset: 'code-only' })
    expect(output.content).toContain('1 file')
    expect(await sprung()).toBe('no trap')
  })
})

describe('a .git file', () => {
  it('is followed to a repository that leads back: of a linked working tree, of a submodule', async () => {
    await repo.git('worktree', 'add', '-q', '../linked')
    await repo.git('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', './', 'inner')
    for (const folder of [join(repo.root, 'linked'), join(repo.workspace, 'inner')]) {
      expect((await repositoryOf(folder))?.workspace).toBe(folder)
      await mkdir(join(folder, 'other'))
      await copyFile(join(folder, '.git'), join(folder, 'other', '.git'))
      expect(await repositoryOf(join(folder, 'other'))).toBeUndefined()
    }
  })
})

describe('a .git folder that says its references lie elsewhere', () => {
  it('is no repository: a sandboxed command can make it so', async () => {
    expect(await repositoryOf(repo.workspace)).toBeDefined()
    await repo.write('.git/commondir', '../evil\n')
    expect(await repositoryOf(repo.workspace)).toBeUndefined()
    expect((await repo.call('git_history', {})).error).toBe('no repository')
  })
})
