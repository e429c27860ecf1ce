import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRepository, type RepositoryFixture } from './repository.ts'

let repo: RepositoryFixture
beforeAll(async () => {
  repo = await createRepository()
  const commit = async (subject: string, date: string, author: string) => {
    await repo.git('add', '-A')
    await repo.git('commit', '-qm', subject, `--date=${date}`, `--author=${author} <x@example.org>`)
  }
  // --since and --until look at the committer's date, which is now for all of these.
  await repo.write('a.txt', 'one\nneedle --all\n')
  await commit('fix: hide a needle (again)', '2020-01-01T12:00:00Z', 'Grace')
  await repo.git('mv', 'a.txt', 'renamed.txt')
  await commit('refactor: move it', '2020-01-02T12:00:00Z', 'Ada')
  await repo.write('other.txt', 'other\n')
  await commit('--all', '2020-01-03T12:00:00Z', 'Linus')
})
afterAll(() => repo[Symbol.asyncDispose]())

const history = (args: object, preset = 'read-only') => repo.call('git_history', args, { preset })
const found = async (args: object) =>
  (await history(args)).content.split('\n').map((line) => line.replace(/^[0-9a-f]{12} \S+ /, ''))

describe('git_history', () => {
  it('lists the latest commits, as many as asked for', async () => {
    expect(await found({})).toEqual([
      'Linus: --all',
      'Ada: refactor: move it',
      'Grace: fix: hide a needle (again)',
      'Ada: first',
    ])
    expect(await found({ limit: 1 })).toEqual(['Linus: --all'])
  })

  it.each([
    [{ type: 'message', query: 'NEEDLE (' }, ['Grace: fix: hide a needle (again)']],
    [{ query: '--all' }, ['Linus: --all']],
    [{ type: 'code', query: 'needle --all' }, ['Grace: fix: hide a needle (again)']],
    [{ type: 'author', query: 'grace' }, ['Grace: fix: hide a needle (again)']],
    [{ type: 'file', query: 'other.txt' }, ['Linus: --all']],
    [{ query: 'move', file: 'renamed.txt' }, ['Ada: refactor: move it']],
    [{ query: 'move', file: 'other.txt' }, ['No commits found.']],
    [{ type: 'date', query: '1 hour ago' }, expect.arrayContaining(['Linus: --all', 'Ada: first'])],
    [{ type: 'date', query: '2019-01-01..2020-12-31' }, ['No commits found.']],
  ])('finds %j', async (args, expected) => {
    expect(await found(args)).toEqual(expected)
  })

  it('follows a file to before it was renamed', async () => {
    expect(await found({ type: 'file', query: 'renamed.txt' })).toHaveLength(3)
  })

  it.each([
    { query: '--output=stolen' },
    { type: 'author', query: '--output=stolen' },
    { type: 'code', query: '--output=stolen' },
    { type: 'code', query: '--ext-diff' },
    { type: 'file', query: '--output=stolen' },
    { query: 'x', file: ':(top)*' },
    { type: 'date', query: '--output=stolen' },
  ])('takes %j for what it says, never for an option', async (args) => {
    const { content } = await history(args)
    expect(content).toMatch(/^No commits found\.$|is no date/)
    await expect(repo.read('stolen')).rejects.toThrow('ENOENT')
  })

  it.each([{ type: 'file', query: '../../etc/passwd' }, { file: '/etc/passwd' }, { file: '.git/config' }])(
    'refuses %j, which lies outside the workspace or is closed',
    async (args) => {
      expect((await history(args)).error).toBe('refused')
    },
  )

  it('is allowed by presets that only read, and by none without files', async () => {
    expect((await history({}, 'web-only')).error).toBe('refused by preset web-only')
    expect((await history({}, 'safe')).error).toBeUndefined()
  })

  it('finds nothing in a repository without a commit, and says when there is no repository', async () => {
    await using empty = await createRepository()
    await rm(join(empty.workspace, '.git'), { recursive: true })
    expect((await empty.call('git_history', {})).error).toBe('no repository')
    await empty.git('init', '-q')
    expect((await empty.call('git_history', {})).content).toBe('No commits found.')
  })
})
