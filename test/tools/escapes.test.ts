/**
 * Ways out, tried for real through the tools a worker has, with bubblewrap and without. What is only kept by
 * bubblewrap is asserted for both: without it a command can do what the worker's user can, as docs/security.md says.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { eventually, processesWith } from '../support/processes.ts'
import { createRepository, type RepositoryFixture } from './git/repository.ts'

let repo: RepositoryFixture
const at = (...path: string[]) => join(repo.root, ...path)

describe.each(['required', 'off'] as const)('with the sandbox %s', (sandbox) => {
  const confined = sandbox === 'required'
  beforeEach(async () => {
    repo = await createRepository({
      sandbox,
      closed: ['state', 'workspace/conf/mcp.json'],
      ownPrograms: ['WORKSPACE/bin', 'bin', ''],
      env: {
        OPENAI_API_KEY: 'sk-secret',
        REDIS_URL: 'redis://secret',
        ALEX_API_TOKENS: 'secret',
        GIT_DIR: '/secret',
        GIT_SSH_COMMAND: 'secret',
        BASH_ENV: '/secret',
        LD_PRELOAD: '/secret.so',
        RIPGREP_CONFIG_PATH: '/secret',
        NODE_OPTIONS: '--secret',
        GIT_EXTERNAL_DIFF: 'secret',
      },
    })
    for (const folder of ['outside', 'state']) await mkdir(at(folder))
    for (const file of ['outside/kept.txt', 'state/kept.txt']) await writeFile(at(file), 'secret outside\n')
    await repo.write('inside.txt', 'inside\n')
    await repo.write('packages/api/.env', 'TOKEN=secret\n')
    await repo.write('conf/mcp.json', '{"secret": true}\n')
  })
  afterEach(async () => {
    assert.deepEqual(await readdir(at('outside')), ['kept.txt'])
    assert.equal(await readFile(at('outside/kept.txt'), 'utf8'), 'secret outside\n')
    assert(!existsSync(at('sprung')), 'something planted was run')
    await repo[Symbol.asyncDispose]()
  })
  const bash = async (command: string): Promise<string> => (await repo.call('bash', { command })).content

  it('no file tool leaves the workspace, by no path and by no link that an earlier call made', async () => {
    await bash(`
      ln -s ../outside folder; ln -s ../outside/kept.txt file; ln -s /proc/self/root root
      ln -s /proc/self/cwd cwd; ln -s /dev/fd fd; ln -s packages/api/.env innocent; ln -s .git harmless
      mkdir deep; ln -s ../.. deep/up; ln -s folder chain`)
    const paths = [
      '../outside/kept.txt',
      'deep/../../outside/kept.txt',
      at('outside/kept.txt'),
      'file',
      'folder/kept.txt',
      'chain/kept.txt',
      'deep/up/outside/kept.txt',
      `root${at('outside/kept.txt')}`,
      '/proc/self/environ',
      join('/proc/self/root', 'etc/passwd'),
      'cwd/package.json',
      '/proc/self/cwd/package.json',
      '/dev/fd/0',
      'fd/0',
      'packages/api/.env',
      'innocent',
      '.git/config',
      'harmless/config',
      '.git/hooks/post-commit',
      'conf/mcp.json',
      at('state/kept.txt'),
      'kept.txt\0',
      '~/../outside/kept.txt',
      'file:///etc/passwd',
    ]
    for (const path of paths) {
      const calls = [
        ['file_read', { path }],
        ['grep', { pattern: '.', path }],
        ['list_files', { path }],
        ['find', { name: '*', path }],
        ['file_write', { path, content: 'overwritten' }],
        ['file_edit', { file_path: path, old_string: 'secret', new_string: 'overwritten' }],
      ] as const
      for (const [tool, args] of calls) {
        // These are names like any other, of files that are not there: only writing makes them, inside.
        if (/^(~|file:)/.test(path) && tool === 'file_write') continue
        const { content, error } = await repo.call(tool, args)
        expect([tool, path, error]).toEqual([
          tool,
          path,
          expect.stringMatching(/refused|no such file|not found/),
        ])
        expect(content).not.toMatch(/secret|root:x/)
      }
    }
    expect(await readFile(at('state/kept.txt'), 'utf8')).toBe('secret outside\n')
  })

  it('the environment of a command has no secret, nor has that of its parent', async () => {
    const look = 'env; cat /proc/$PPID/environ /proc/self/environ | tr "\\0" "\\n"'
    const seen = [
      await bash(look),
      (await repo.call('code_execute', { language: 'bash', code: look })).content,
      (await repo.call('code_execute', { language: 'python', code: 'import os; print(os.environ)' })).content,
    ]
    for (const content of seen) {
      expect(content).toContain('HOME')
      expect(content).not.toMatch(/secret|OPENAI|REDIS_URL|GIT_DIR|BASH_ENV|LD_PRELOAD|NODE_OPTIONS/)
    }
  })

  it('processes that left their session or forked twice end with their command', async () => {
    const fork =
      'import os, time\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0: os.execlp("sleep", "sleep", "61.25")\n os._exit(0)'
    await bash('setsid sleep 61.25 & (setsid sh -c "sleep 61.25 &" &) ; nohup sleep 61.25 & sleep 0.05')
    await repo.call('code_execute', { language: 'python', code: fork })
    expect(await processesWith('sleep\u000061.25')).toEqual([])
    // Without bubblewrap nothing tells that such a process was the command's.
    await bash(`env -i setsid --fork sh -c 'touch left; exec sleep 61.375'
      until test -e left; do sleep 0.01; done`)
    const left = await processesWith('61.375')
    for (const pid of left) process.kill(pid, 'SIGKILL')
    expect(left).toHaveLength(confined ? 0 : 1)
  })

  it('other processes are seen and signalled only without bubblewrap', async () => {
    const other = spawn('sleep', ['61.5'], { env: { TOKEN: 'secret' } })
    onTestFinished(() => void other.kill('SIGKILL'))
    const content = await bash(`cat /proc/${other.pid}/environ; kill ${other.pid} && echo signalled; true`)
    expect(content.includes('secret')).toBe(!confined)
    expect(content.includes('signalled')).toBe(!confined)
    if (!confined) await eventually(async () => other.signalCode === 'SIGTERM')
    expect(other.signalCode).toBe(confined ? null : 'SIGTERM')
  })

  it('ALEX’s own state, secrets and the list of MCP servers are reached only without bubblewrap', async () => {
    const reading = `
      mv packages moved; mv packages/api moved; mv conf moved; ln packages/api/.env hard; cat hard
      cat ${at('state/kept.txt')} /proc/self/root${at('state/kept.txt')} conf/mcp.json packages/api/.env
      unshare -Urm sh -c 'umount packages/api/.env; cat packages/api/.env'
      mkdir -p conf && echo '{"mcpServers": {}}' > conf/mcp.json; true`
    const content = await bash(reading)
    expect(content.includes('secret')).toBe(!confined)
    // What a first call could not show it cannot have moved to where a second one finds it either.
    const again = await bash('grep -rs secret . ; true')
    expect(again.includes('secret')).toBe(!confined)
    expect(await repo.read('conf/mcp.json')).toBe(confined ? '{"secret": true}\n' : '{"mcpServers": {}}\n')
  })

  it('a program that a call left in PATH is not what the tools run', async () => {
    await bash(`
      mkdir -p bin; printf '#!/bin/sh\\ntouch ${at('sprung')}\\n' > bin/bwrap; chmod +x bin/bwrap
      for name in rg git gh flock bash python3 env; do cp bin/bwrap bin/$name; cp bin/bwrap $name; done`)
    expect((await repo.call('grep', { pattern: 'inside' })).content).toContain('inside.txt:1:inside')
    expect(await bash('echo "$PATH"')).toContain('stdout:\n/usr/bin:/bin')
    expect((await repo.call('code_execute', { language: 'python', code: 'print(7)' })).content).toContain('7')
    expect((await repo.call('git_history', {})).content).toContain('first')
    expect((await repo.call('git_pr', {})).error).toBe('gh is not installed')
  })

  it('git’s configuration and hooks cannot be written to run code', async () => {
    await writeFile(at('trap'), `#!/bin/sh\ntouch ${at('sprung')}\n`)
    await chmod(at('trap'), 0o755)
    const content = await bash(`
      printf '[core]\\n fsmonitor = ${at('trap')}\\n hooksPath = .\\n' >> .git/config && echo configured
      cp ${at('trap')} .git/hooks/post-commit && echo hooked
      cp ${at('trap')} post-commit; cp ${at('trap')} pre-commit
      echo '* diff=x' > .git/info/attributes
      mv .git moved && echo moved && mv moved .git; true`)
    for (const word of ['configured', 'hooked', 'moved\n'])
      expect(`${content}\n`.includes(word)).toBe(!confined)
    await repo.write('.gitignore', '*\n')
    await repo.write('a.txt', 'two\n')
    const identity = { 'user.name': 'Ada', 'user.email': 'ada@example.org' }
    for (const [key, value] of Object.entries(identity)) await repo.git('config', key, value)
    const found = await repo.call('git_history', { type: 'code', query: 'one' }, { preset: 'read-only' })
    expect(found.content).toContain('first')
    const committed = await repo.call(
      'git_commit',
      { message: 'chore: x', auto: true },
      { preset: 'code-only' },
    )
    expect(committed.content).toMatch(/^Committed/)
  })

  it('git cannot be led to another configuration, nor to another repository', async () => {
    await bash('mkdir evil && cp -r .git/. evil && echo ../evil > .git/commondir')
    expect(existsSync(join(repo.workspace, '.git/commondir'))).toBe(!confined)
    expect((await repo.call('git_history', {})).error).toBe(confined ? undefined : 'no repository')

    await using other = await createRepository({ sandbox })
    await using plain = await createRepository({ sandbox })
    await plain.call('file_write', { path: 'new.txt', content: 'x' })
    for (const pointer of [join(other.workspace, '.git'), 'fake']) {
      await rm(join(plain.workspace, '.git'), { recursive: true })
      const fake = `mkdir -p fake; cp ${other.workspace}/.git/HEAD fake; echo ${other.workspace}/.git > fake/commondir
        echo ${plain.workspace}/.git > fake/gitdir; echo "gitdir: ${pointer}" > .git`
      expect((await plain.call('bash', { command: fake })).error).toBeUndefined()
      const committed = await plain.call('git_commit', { message: 'chore: x', auto: true })
      expect(committed).toEqual({
        content: 'Not done: the workspace is not a git repository.',
        error: 'no repository',
      })
    }
    expect(await other.git('log', '--format=%s')).toBe('first')
  })

  it('a name with a line break in it does not pass for another file', async () => {
    await bash(`mkdir odd && echo needle > $'odd/a\\ninside.txt' && echo needle > $'odd/\\e[2Jx'`)
    expect((await repo.call('list_files', { path: 'odd' })).content).toContain('"odd/a\\ninside.txt"')
    expect((await repo.call('find', { name: 'a*', path: 'odd' })).content).toBe('"odd/a\\ninside.txt"')
    expect((await repo.call('grep', { pattern: 'needle', path: 'odd' })).content).not.toContain('inside.txt')
  })
})
