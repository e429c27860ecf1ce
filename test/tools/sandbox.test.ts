import { execFileSync } from 'node:child_process'
import { mkdir, readdir, realpath, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createFixture, type Fixture } from './support/fixture.ts'

let fixture: Fixture
/** Holds the home directory, beside the fixture's own root. */
let setup: Fixture
let home: string
beforeAll(async () => {
  setup = await createFixture()
  home = join(setup.root, 'home')
  fixture = await createFixture({
    sandbox: 'required',
    closed: ['state', 'workspace/sockets'],
    env: { HOME: home },
  })
  for (const folder of ['.ssh', '.alex/redis', '.config/gh']) {
    await mkdir(join(home, folder), { recursive: true })
    await writeFile(join(home, folder, 'secret'), 'hidden-value')
  }
  await writeFile(join(home, '.npmrc'), 'hidden-value')
  await writeFile(join(home, '.alex-config.json'), 'hidden-value')
  await writeFile(join(home, 'notes.txt'), 'plain')
  await mkdir(join(fixture.root, 'state'))
  await writeFile(join(fixture.root, 'state', 'secret'), 'hidden-value')
  execFileSync('git', ['init', '-q', fixture.workspace])
  await fixture.write('.env', 'hidden-value')
  await fixture.write('packages/api/.env.local', 'hidden-value')
  await fixture.write('.alex/secret', 'hidden-value')
  await fixture.write('sockets/secret', 'hidden-value')
})
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
  await setup[Symbol.asyncDispose]()
})

const bash = async (command: string): Promise<string> => (await fixture.call('bash', { command })).content

describe('the sandbox', () => {
  it('leaves nothing behind when a file is being written beside it, and hides no such file', async () => {
    const temporary = '.alex-0123456789ab.tmp'
    await fixture.write(temporary, 'half-written')
    expect(await bash(`cat ${temporary}`)).toContain('half-written')
    await rm(join(fixture.workspace, temporary))
    await Promise.all([
      ...Array.from({ length: 5 }, () => bash('true')),
      ...Array.from({ length: 50 }, (_, i) =>
        fixture.call('file_write', { path: `written/${i}`, content: 'x' }),
      ),
    ])
    expect((await readdir(join(fixture.workspace, 'written'))).length).toBe(50)
  })

  it('lets the workspace and a private /tmp be written, and nothing else', async () => {
    const content = await bash(`
      echo a > made.txt && echo workspace-ok
      echo b > /tmp/private && echo tmp-ok
      for place in /etc /usr /var /root ${home} ${fixture.root}; do
        if touch $place/intruder 2>/dev/null; then echo "wrote $place"; fi
      done`)
    expect(content).toContain('workspace-ok\ntmp-ok')
    expect(await fixture.read('made.txt')).toBe('a\n')
    expect(await readdir(await realpath(tmpdir()))).not.toContain('private')
    expect(await readdir(fixture.root)).not.toContain('intruder')
    expect(await readdir(home)).not.toContain('intruder')
  })

  it('hides secrets of the home, ALEX’s state and every .env of the workspace', async () => {
    const content = await bash(`grep -rs hidden-value . ${home} ${fixture.root}; cat .env; echo searched`)
    expect(content).not.toContain('hidden-value')
    expect(content).toContain('searched')
    expect(content).toContain('.env: Permission denied')
  })

  it('does not hide what is no secret', async () => {
    await using outside = await createFixture({ sandbox: 'required' })
    expect(
      (await outside.call('bash', { command: 'head -c 4 /etc/hostname; ls /usr | head -1' })).error,
    ).toBe(undefined)
  })

  it('keeps git’s configuration and hooks read-only while git works', async () => {
    const content = await bash(`
      git add made.txt 2>&1 || echo > made.txt; git add made.txt && echo added
      git -c user.name=a -c user.email=a@b commit -qm one && echo committed
      echo x >> .git/config || echo config-closed
      echo x > .git/hooks/pre-commit || echo hooks-closed
      mv .git moved || echo move-closed`)
    for (const word of ['added', 'committed', 'config-closed', 'hooks-closed', 'move-closed']) {
      expect(content).toContain(word)
    }
  })

  it('shows no process but its own and leaves no rights to the root user', async () => {
    const content = await bash(
      'ls -d /proc/[0-9]* | wc -l; grep CapEff /proc/self/status; mount -o remount,rw /; true',
    )
    expect(Number(/stdout:\n(\d+)/.exec(content)?.[1])).toBeLessThan(8)
    expect(content).toMatch(/CapEff:\s+0000000000000000/)
  })

  it('has no network, and says so to the model', async () => {
    const server = createServer((socket) => socket.end('reached')).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    const command = `exec 3<>/dev/tcp/127.0.0.1/${port} && cat <&3`
    expect(await bash(command)).not.toContain('reached')
    const spec = fixture.toolbox.specs('full').find(({ name }) => name === 'bash')
    expect(spec?.description).toContain('There is no network.')

    await using online = await createFixture({ sandbox: 'required', network: 'full' })
    expect((await online.call('bash', { command })).content).toContain('reached')
    await new Promise((resolve) => server.close(resolve))
  })

  it('works in a workspace that lies below a closed folder', async () => {
    await using nested = await createFixture({ sandbox: 'required', closed: ['.'] })
    const output = await nested.call('bash', { command: 'echo here > file && cat file && ls -A ..' })
    expect(output.content).toBe('exit code 0\nstdout:\nhere\nworkspace')
    await nested.write('.env', 'hidden-value')
    expect((await nested.call('bash', { command: 'cat .env' })).content).not.toContain('hidden-value')
    expect((await nested.call('file_read', { path: 'file' })).content).toContain('here')
  })

  it('leaves no files of its own in the workspace', async () => {
    await using clean = await createFixture({ sandbox: 'required' })
    await clean.call('bash', { command: 'true' })
    expect(await readdir(clean.workspace)).toEqual([])
  })
})
