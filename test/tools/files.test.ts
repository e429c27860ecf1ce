import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readdir, rm, stat, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as tick } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createGuard } from '../../src/agent/tools/guard-client.ts'
import { LeaseLost } from '../../src/errors.ts'
import { createFixture, type Fixture } from './support/fixture.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await createFixture({ closed: ['workspace/sockets', 'state'] })
})
afterEach(() => fixture[Symbol.asyncDispose]())

describe('file_read', () => {
  it('numbers lines and says how to continue when a page ends', async () => {
    await fixture.write('long.txt', Array.from({ length: 2_500 }, (_, i) => `l${i + 1}`).join('\n'))
    const first = await fixture.call('file_read', { path: 'long.txt', limit: 2 })
    expect(first.content).toBe('     1\tl1\n     2\tl2\n[lines 1–2 of 2500; continue with offset 3]')
    const last = await fixture.call('file_read', { path: 'long.txt', offset: 2_500 })
    expect(last.content).toBe('  2500\tl2500')
    const beyond = await fixture.call('file_read', { path: 'long.txt', offset: 2_501 })
    expect(beyond).toMatchObject({ content: 'The file has only 2500 lines.', error: 'offset beyond the end' })
  })

  it('ends a page at a line, never in its middle, when lines are long', async () => {
    await fixture.write('wide.txt', Array.from({ length: 40 }, () => 'x'.repeat(1_000)).join('\n'))
    const { content } = await fixture.call('file_read', { path: 'wide.txt' })
    expect(content.length).toBeLessThanOrEqual(16_000)
    expect(content).toMatch(/\[lines 1–15 of 40; continue with offset 16\]$/)
  })

  it('cuts one endless line and names the length', async () => {
    await fixture.write('line.txt', 'y'.repeat(50_000))
    expect((await fixture.call('file_read', { path: 'line.txt' })).content).toContain('48000 characters cut')
  })

  it('refuses binary files, other encodings and files over 10 MB, naming the size', async () => {
    await fixture.write('a.bin', new Uint8Array([1, 0, 2]))
    await fixture.write('latin1.txt', new Uint8Array([0x66, 0xfc, 0x72]))
    await fixture.write('huge.txt', 'x')
    await truncate(join(fixture.workspace, 'huge.txt'), 11 * 1024 ** 2)
    const contents = await Promise.all(
      ['a.bin', 'latin1.txt', 'huge.txt'].map(
        async (path) => (await fixture.call('file_read', { path })).content,
      ),
    )
    expect(contents).toEqual([
      'Refused: a.bin is a binary file (3 B).',
      'Refused: latin1.txt is not UTF-8 text (3 B).',
      'Refused: huge.txt is too large: 11.0 MB, at most 10 MB.',
    ])
  })

  it('says in plain words that a file does not exist', async () => {
    const output = await fixture.call('file_read', { path: 'no/such' })
    expect(output).toEqual({ content: 'no/such: no such file or folder.', error: 'no such file or folder' })
  })
})

/** A step fails when a write made the folder in between; the next round starts anew. */
const quietly = (step: Promise<unknown>): Promise<unknown> => step.catch(() => {})

describe('the workspace', () => {
  beforeEach(async () => {
    await writeFile(join(fixture.root, 'outside.txt'), 'outside')
    await mkdir(join(fixture.root, 'outside'))
    await writeFile(join(fixture.root, 'outside', 'file.txt'), 'outside')
    await fixture.write('inside.txt', 'inside')
    await fixture.write('.git/config', 'config')
    await fixture.write('.env.local', 'SECRET')
    await fixture.write('sub/.ALEX/state', 'state')
    await fixture.write('sockets/redis', 'socket')
    await symlink('../outside.txt', join(fixture.workspace, 'link'))
    await symlink('../outside', join(fixture.workspace, 'folder'))
    await symlink('.env.local', join(fixture.workspace, 'innocent'))
    await symlink('/dev/zero', join(fixture.workspace, 'zero'))
    await symlink('/proc/self/environ', join(fixture.workspace, 'environ'))
  })

  const CLOSED = [
    '../outside.txt',
    'sub/../../outside.txt',
    '/etc/passwd',
    'link',
    'folder/file.txt',
    'zero',
    'environ',
    '.git/config',
    '.GIT/config',
    '.env.local',
    'innocent',
    'sub/.ALEX/state',
    'sockets/redis',
    'a\0b',
  ]

  it.each(CLOSED)('is not left by reading, writing or editing %j', async (path) => {
    const read = await fixture.call('file_read', { path })
    expect(read.error).toMatch(/refused|no such file/)
    expect(read.content).not.toMatch(/^ +1\t/)
    const wrote = await fixture.call('file_write', { path, content: 'overwritten' })
    expect(wrote.error).toBe('refused')
    const edit = { file_path: path, old_string: 'outside', new_string: 'overwritten' }
    expect((await fixture.call('file_edit', edit)).error).toBeDefined()
  })

  it('is not left by new files below a symlinked folder', async () => {
    const output = await fixture.call('file_write', { path: 'folder/deep/new.txt', content: 'x' })
    expect(output.error).toBe('refused')
    expect(await readdir(join(fixture.root, 'outside'))).toEqual(['file.txt'])
  })

  it('may be named by its absolute path', async () => {
    const path = join(fixture.workspace, 'inside.txt')
    expect((await fixture.call('file_read', { path })).content).toContain('inside')
  })

  it('is not left while a folder is swapped for a symlink again and again', async () => {
    const place = join(fixture.workspace, 'place')
    const swapping = new AbortController()
    const swapper = (async () => {
      while (!swapping.signal.aborted) {
        await quietly(rm(place, { recursive: true, force: true }))
        await quietly(symlink('../outside', place))
        await tick()
        await quietly(unlink(place))
        await quietly(mkdir(place))
        await quietly(writeFile(join(place, 'file.txt'), 'inside'))
        await tick()
      }
    })()
    const seen = new Set<string>()
    const refused = 'Refused: place/file.txt is outside the workspace.'
    const enough = (): boolean => seen.size > 3 && seen.has(refused) && seen.has('     1\tinside')
    for (let i = 0; i < 300 || (i < 5_000 && !enough()); i += 1) {
      seen.add((await fixture.call('file_read', { path: 'place/file.txt' })).content)
      seen.add((await fixture.call('file_write', { path: 'place/written.txt', content: 'x' })).content)
    }
    swapping.abort()
    await swapper
    expect(enough()).toBe(true)
    expect(seen).not.toContain('     1\toutside')
    expect(await readdir(join(fixture.root, 'outside'))).toEqual(['file.txt'])
  })

  it('answers at once for a FIFO', async () => {
    execFileSync('mkfifo', [join(fixture.workspace, 'pipe')])
    expect((await fixture.call('file_read', { path: 'pipe' })).content).toMatch(/not a regular file/)
    expect((await fixture.call('file_write', { path: 'pipe', content: 'x' })).error).toBe('refused')
    expect((await fixture.call('grep', { pattern: 'x', path: 'pipe' })).error).toBe('refused')
  })
})

describe('file_write', () => {
  it('creates folders, replaces files and keeps their mode', async () => {
    const created = await fixture.call('file_write', { path: 'a/b/run.sh', content: 'one' })
    expect(created.content).toBe('Created a/b/run.sh (3 B).')
    await chmod(join(fixture.workspace, 'a/b/run.sh'), 0o751)
    const replaced = await fixture.call('file_write', { path: 'a/b/run.sh', content: 'two' })
    expect(replaced.content).toBe('Replaced a/b/run.sh (3 B).')
    expect((await stat(join(fixture.workspace, 'a/b/run.sh'))).mode & 0o777).toBe(0o751)
    expect(await readdir(join(fixture.workspace, 'a/b'))).toEqual(['run.sh'])
  })

  it('writes to what a symlink inside the workspace leads to', async () => {
    await fixture.write('src/real.txt', 'old')
    await symlink('src', join(fixture.workspace, 'alias'))
    await fixture.call('file_write', { path: 'alias/real.txt', content: 'new' })
    await fixture.call('file_write', { path: 'alias/fresh.txt', content: 'fresh' })
    expect([await fixture.read('src/real.txt'), await fixture.read('src/fresh.txt')]).toEqual([
      'new',
      'fresh',
    ])
  })

  it('writes nothing when the guard no longer believes in the lease, whatever the worker believes', async () => {
    await using unfed = createGuard({ leaseMs: 60_000 })
    await fixture.write('kept.txt', 'old')
    const call = { tool_name: 'file_write', arguments: JSON.stringify({ path: 'kept.txt', content: 'new' }) }
    const written = fixture.toolbox.execute(call, { ...fixture.context, guard: unfed }, 'full')
    await expect(written).rejects.toBeInstanceOf(LeaseLost)
    expect(await fixture.read('kept.txt')).toBe('old')
    expect(await readdir(fixture.workspace)).toEqual(['kept.txt'])
  })

  it('writes nothing and leaves no temporary file once the lease is lost', async () => {
    let asked = 0
    const assertLease = (): void => {
      asked += 1
      if (asked === 2) throw new Error('lost')
    }
    await fixture.write('kept.txt', 'old')
    await fixture.call('file_write', { path: 'kept.txt', content: 'new' }, { assertLease })
    expect(await fixture.read('kept.txt')).toBe('old')
    expect(await readdir(fixture.workspace)).toEqual(['kept.txt'])
  })
})

const edit = (old_string: string, new_string: string, more: object = {}) =>
  fixture.call('file_edit', { file_path: 'f.txt', old_string, new_string, ...more })

describe('file_edit', () => {
  it('replaces the one match and returns a unified diff', async () => {
    await fixture.write('f.txt', 'one\ntwo\nthree\n')
    const { content } = await edit('two', '$& 2')
    expect(content).toMatch(/^--- a\/f\.txt\n\+\+\+ b\/f\.txt\n@@ -1,3 \+1,3 @@\n one\n-two\n\+\$& 2\n three/)
    expect(await fixture.read('f.txt')).toBe('one\n$& 2\nthree\n')
  })

  it('names the count when the text is not there exactly once', async () => {
    await fixture.write('f.txt', 'x x x')
    expect((await edit('x', 'y')).error).toBe('3 matches')
    expect((await edit('z', 'y')).content).toContain('0 matches')
    await edit('x', 'y', { replace_all: true })
    expect(await fixture.read('f.txt')).toBe('y y y')
  })

  it('creates a file for an empty old_string, and fails where one exists', async () => {
    expect((await edit('', 'new\n')).content).toContain('+new')
    expect((await edit('', 'again')).error).toBe('file exists')
    expect(await fixture.read('f.txt')).toBe('new\n')
  })

  it('matches plain newlines in a file with carriage returns, and keeps those', async () => {
    await fixture.write('f.txt', 'a\r\nb\r\nc\r\n')
    await edit('a\nb', 'A\nB')
    expect(await fixture.read('f.txt')).toBe('A\r\nB\r\nc\r\n')
  })
})
