import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createFixture, type Fixture } from './support/fixture.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture({ closed: ['workspace/closed*'] })
  const files = {
    '.gitignore': 'ignored/\n*.log\n!keep.log\n',
    'readme.md': 'needle here\n',
    'src/app.ts': 'first\nconst Needle = 1\n',
    'src/deep/util.test.ts': 'needle again\n',
    'src/deep/.gitignore': 'local.txt\n',
    'src/deep/local.txt': 'needle',
    'src/.hidden': 'needle in hidden',
    'ignored/x.ts': 'needle',
    'debug.log': 'needle',
    'keep.log': 'needle',
    'node_modules/pkg/index.ts': 'needle',
    '.git/config': 'needle',
    '.env.production': 'needle',
    'sub/.alex/sessions.json': 'needle',
    'closed*/state.txt': 'needle',
    'flags.txt': '--pre=./evil\n-e\n',
  }
  for (const [path, content] of Object.entries(files)) await fixture.write(path, content)
  await mkdir(join(fixture.root, 'outside'))
  await writeFile(join(fixture.root, 'outside', 'secret.ts'), 'needle outside')
  await symlink('../outside', join(fixture.workspace, 'link'))
})
afterAll(() => fixture[Symbol.asyncDispose]())

const CLOSED = /\.git\/|\.env|\.alex|closed|outside|secret/

describe('list_files', () => {
  it('shows type and size, follows no symlink and leaves out ignored and closed places', async () => {
    const { content } = await fixture.call('list_files', { depth: 3 })
    expect(content.split('\n')).toEqual([
      'file      25 B  .gitignore',
      'file      16 B  flags.txt',
      'file       6 B  keep.log',
      'link            link',
      'dir             node_modules/',
      'dir             node_modules/pkg/',
      'file       6 B  node_modules/pkg/index.ts',
      'file      12 B  readme.md',
      'dir             src/',
      'file      16 B  src/.hidden',
      'file      23 B  src/app.ts',
      'dir             src/deep/',
      'file      10 B  src/deep/.gitignore',
      'file      13 B  src/deep/util.test.ts',
      'dir             sub/',
    ])
  })

  it('applies the rules of folders above the one it lists', async () => {
    await fixture.write('src/trace.log', '')
    const { content } = await fixture.call('list_files', { path: 'src/deep' })
    expect(content).not.toContain('local.txt')
    expect((await fixture.call('list_files', { path: 'src' })).content).not.toContain('trace.log')
  })

  it('stops at its limit and says so', async () => {
    await using large = await createFixture()
    await Promise.all(Array.from({ length: 510 }, (_, i) => large.write(`f${i}`, '')))
    const output = await large.call('list_files', {})
    expect(output.content).toMatch(/\[stopped at 500 entries: there are more/)
    expect(output.truncated).toBe(true)
  })
})

const find = async (args: object) => (await fixture.call('find', args)).content.split('\n')

describe('find', () => {
  it('matches names, or paths when the glob has a slash', async () => {
    expect(await find({ name: '*.ts' })).toEqual(['ignored/x.ts', 'src/app.ts', 'src/deep/util.test.ts'])
    expect(await find({ name: 'src/**/*.test.ts' })).toEqual(['src/deep/util.test.ts'])
    expect(await find({ name: '*.ts', path: 'src', max_depth: 1 })).toEqual(['src/app.ts'])
    expect(await find({ name: '{src,sub}', type: 'd' })).toEqual(['src/', 'sub/'])
    expect(await find({ name: '*.ts', path: 'node_modules' })).toEqual(['node_modules/pkg/index.ts'])
    expect(await find({ name: '*.zig' })).toEqual(['Nothing found.'])
  })

  it('shows no closed place', async () => {
    expect((await find({ name: '*' })).join('\n')).not.toMatch(CLOSED)
    expect((await fixture.call('find', { name: '*', path: '.git' })).error).toBe('refused')
  })

  it('shows the first hundred and says that there are more', async () => {
    await using large = await createFixture()
    await Promise.all(Array.from({ length: 101 }, (_, i) => large.write(`f${i}.txt`, '')))
    const output = await large.call('find', { name: '*.txt' })
    expect(output.content.split('\n')).toHaveLength(101)
    expect(output.content).toContain('there are more')
  })
})

const grep = async (args: object) => (await fixture.call('grep', args)).content

describe('grep', () => {
  it('finds lines in open places, under either of its names', async () => {
    const { content } = await fixture.call('ripgrep', { pattern: 'needle', ignore_case: true })
    expect(content.split('\n').toSorted()).toEqual([
      'keep.log:1:needle',
      'node_modules/pkg/index.ts:1:needle',
      'readme.md:1:needle here',
      'src/.hidden:1:needle in hidden',
      'src/app.ts:2:const Needle = 1',
      'src/deep/util.test.ts:1:needle again',
    ])
  })

  it('narrows by path, file and type', async () => {
    expect(await grep({ pattern: 'needle', path: 'src', file_type: 'ts' })).toBe(
      'src/deep/util.test.ts:1:needle again',
    )
    expect(await grep({ pattern: 'needle', path: 'readme.md' })).toBe('readme.md:1:needle here')
    expect(await grep({ pattern: 'needle', max_results: 1 })).toMatch(
      /\[the first 1 matches; there are more\]/,
    )
  })

  it('takes no pattern for a flag', async () => {
    expect(await grep({ pattern: '--pre=./evil' })).toBe('flags.txt:1:--pre=./evil')
    expect(await grep({ pattern: '-e' })).toContain('flags.txt:2:-e')
  })

  it('reports no match as a result, a broken pattern as an error', async () => {
    expect(await fixture.call('grep', { pattern: 'nothing-like-it' })).toEqual({ content: 'No matches.' })
    const broken = await fixture.call('grep', { pattern: '(' })
    expect(broken.error).toBe('search failed')
    expect(broken.content).toContain('unclosed group')
    expect((await fixture.call('grep', { pattern: 'x', file_type: 'klingon' })).content).toContain('klingon')
  })

  it('refuses closed places and symlinks out of the workspace', async () => {
    for (const path of ['.git', '.env.production', 'closed*', 'link', '../outside']) {
      expect((await fixture.call('grep', { pattern: 'needle', path })).error).toBe('refused')
    }
  })
})
