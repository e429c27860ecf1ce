/** What a commit would hold: the index, or when nothing is staged all that changed, as a tree that can be compared. */
import { copyFile, lstat, mkdir, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { type Change, GitRefused, type Inspection } from './git-protocol.ts'
import type { OpenRepository } from './open-repository.ts'
import type { Repository } from './repository.ts'
import { addedLines, secretContent, secretName } from './secret-files.ts'

export interface Place {
  opened: OpenRepository
  repository: Repository
  scratch: string
}

const STATUS = ['--ignore-submodules=all', '--untracked-files=all', '--no-renames']
const PLAIN = ['--cached', '--no-ext-diff', '--no-textconv', '--no-color', '--no-renames']
const DIFF_CHARS = 30_000
const STAT_CHARS = 4_000
const MAX_FILES = 5_000

/** Changes nothing. Throws `GitRefused` when there is nothing to commit. */
export const inspect = async (place: Place): Promise<Inspection> => {
  const { opened, scratch } = place
  const status = await opened.git.status(STATUS)
  if (status.conflicted.length > 0)
    throw new GitRefused(`conflicts are not resolved: ${status.conflicted.join(', ')}`)
  const staged = status.files.some(({ index }) => !' ?!'.includes(index))
  const nested = status.files.map(({ path }) => path).filter((path) => path.endsWith('/'))
  const paths = staged ? [] : status.files.map(({ path }) => path).filter((path) => !path.endsWith('/'))
  if (!staged && paths.length === 0) throw new GitRefused('there is nothing to commit: nothing changed')
  if (status.files.length > MAX_FILES)
    throw new GitRefused(
      `${status.files.length} files changed, more than ${MAX_FILES}: is something missing in .gitignore?`,
    )
  await refuseFilters(opened, paths)

  const env = await ownObjects(scratch)
  const { tree, head, indexFile } = await stage(place, paths, env)
  const git = opened.with({ env: { ...env, GIT_INDEX_FILE: indexFile } })
  const changes = readChanges(await git.raw(['diff', ...PLAIN, '--name-status', '-z']))
  if (changes.length === 0) throw new GitRefused('there is nothing to commit: the diff is empty')
  const diff = await git.raw(['diff', ...PLAIN])
  const stat = await git.raw(['diff', ...PLAIN, '--stat=100'])
  const diffOf = (path: string) => git.raw(['diff', ...PLAIN, '--', path])
  return {
    branch: status.detached ? '' : (status.current ?? ''),
    head,
    tree,
    staged,
    paths,
    nested,
    changes,
    stat: stat.slice(0, STAT_CHARS),
    diff: diff.length <= DIFF_CHARS ? diff : `${diff.slice(0, DIFF_CHARS)}\n[the rest of the diff is cut]`,
    secrets: await secretsIn(changes, diff, diffOf),
  }
}

/** An index of its own with `paths` as they are now, and its tree. `env` says where new objects go. */
export const stage = async (
  { opened, repository, scratch }: Place,
  paths: readonly string[],
  env: Record<string, string> = {},
): Promise<{ indexFile: string; tree: string; head: string }> => {
  const indexFile = join(scratch, 'index')
  await copyIndex(join(repository.gitDir, 'index'), indexFile)
  const own = { ...env, GIT_INDEX_FILE: indexFile }
  if (paths.length > 0) {
    const update = ['update-index', '--add', '--remove', '--replace', '-z', '--stdin']
    await opened.with({ env: own, input: listed(paths) }).raw(update)
  }
  const tree = (await opened.with({ env: own }).raw(['write-tree'])).trim()
  const head = (await opened.git.raw(['rev-parse', '--verify', '--quiet', 'HEAD'])).trim()
  return { indexFile, tree, head }
}

/** Of its own age: by that git knows which files may have changed in the very second they were staged. */
const copyIndex = async (from: string, to: string): Promise<void> => {
  try {
    await copyFile(from, to)
    const { atime, mtime } = await lstat(from)
    await utimes(to, atime, mtime)
  } catch (error) {
    // Before the first commit there may be none.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
}

/** As git reads them with -z. */
const listed = (paths: readonly string[]): string => paths.map((path) => `${path}\0`).join('')

/** A filter is a program that the configuration names; without it git would store something else. */
const refuseFilters = async (opened: OpenRepository, paths: readonly string[]): Promise<void> => {
  if (paths.length === 0) return
  const input = listed(paths)
  const fields = (await opened.with({ input }).raw(['check-attr', '-z', '--stdin', 'filter'])).split('\0')
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const value = fields[at + 2] ?? ''
    if (!['unspecified', 'unset', 'set', ''].includes(value))
      throw new GitRefused(
        `${fields[at]} goes through the git filter ${value}, a program that this tool does not run; ` +
          'stage such files with git add in a shell first',
      )
  }
}

const ownObjects = async (scratch: string): Promise<Record<string, string>> => {
  const objects = join(scratch, 'objects')
  await mkdir(objects)
  return {
    GIT_OBJECT_DIRECTORY: objects,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: join(scratch, 'common', 'objects'),
  }
}

/** Status and path take turns, each ended by a NUL. */
const readChanges = (status: string): Change[] => {
  const fields = status.split('\0')
  return Array.from({ length: Math.floor(fields.length / 2) }, (_, index) => {
    const [letter = '', path = ''] = fields.slice(2 * index, 2 * index + 2)
    return { path, change: letter === 'A' ? 'added' : letter === 'D' ? 'deleted' : 'modified' }
  })
}

const secretsIn = async (
  changes: readonly Change[],
  diff: string,
  diffOf: (path: string) => Promise<string>,
): Promise<Inspection['secrets']> => {
  const there = changes.filter(({ change }) => change !== 'deleted')
  const suspicious = addedLines(diff).some((lines) => secretContent(lines) !== undefined)
  const secrets: Inspection['secrets'] = []
  for (const { path } of there) {
    const content = async () =>
      addedLines(await diffOf(path))
        .map(secretContent)
        .find(Boolean)
    const why = secretName(path) ?? (suspicious ? await content() : undefined)
    if (why !== undefined) secrets.push({ path, why })
  }
  return secrets
}
