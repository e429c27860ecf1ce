/** Walks a directory of the workspace, in order of names, closed places left out, symlinks never followed. */
import type { Dirent } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createIgnoreRules, type IgnoreRules } from './ignore-rules.ts'
import { type Anchor, type Jail, PathRefused, readText } from './workspace-path.ts'

export type EntryType = 'file' | 'directory' | 'link' | 'other'

export interface Entry {
  name: string
  /** From the workspace's root. */
  path: string
  type: EntryType
  /** Bytes; only of files, and only when asked for. */
  size?: number
}

export interface WalkOptions {
  /** As the model wrote it; must be a directory. */
  path: string
  /** 1: the directory's own entries. */
  maxDepth: number
  /** Leaves out what `.gitignore` files name. */
  respectIgnore?: boolean
  sizes?: boolean
  /** Directories that are shown but not entered. */
  notEntered?: readonly string[]
  signal: AbortSignal
}

/** A path as a line of a result: a name with a line break in it must not pass for two. */
export const shownPath = (path: string): string => (/\p{Cc}/u.test(path) ? JSON.stringify(path) : path)

/** Entries looked at before a walk gives up. */
export const WALK_ENTRIES = 50_000

/** Returns false when it gave up at `WALK_ENTRIES`. Throws like `Jail.open`. */
export async function* walk(jail: Jail, options: WalkOptions): AsyncGenerator<Entry, boolean> {
  await using start = await jail.open(options.path)
  if (!start.stats.isDirectory()) throw new PathRefused(`${options.path} is not a directory`)
  const rules = options.respectIgnore === true ? await rulesAbove(jail, start) : undefined
  const state = { left: WALK_ENTRIES }
  yield* walkDirectory({ jail, options, state }, start, { depth: 1, rules })
  return state.left > 0
}

interface Walk {
  jail: Jail
  options: WalkOptions
  state: { left: number }
}

async function* walkDirectory(
  { jail, options, state }: Walk,
  directory: Anchor,
  { depth, rules }: { depth: number; rules: IgnoreRules | undefined },
): AsyncGenerator<Entry> {
  const here = rules && (await withOwnRules(jail, directory, rules))
  for (const dirent of await sortedEntries(directory)) {
    options.signal.throwIfAborted()
    if (state.left-- <= 0) return
    const path = join(directory.relative, dirent.name)
    const type = typeOf(dirent)
    if (jail.isClosed(path) || here?.ignores(path, type === 'directory')) continue
    const size = options.sizes === true && type === 'file' ? await sizeOf(directory, dirent.name) : undefined
    yield { name: dirent.name, path, type, ...(size !== undefined && { size }) }
    if (type !== 'directory' || depth >= options.maxDepth || options.notEntered?.includes(dirent.name))
      continue
    await using below = await openQuietly(jail, directory, dirent.name)
    if (below?.stats.isDirectory()) {
      yield* walkDirectory({ jail, options, state }, below, { depth: depth + 1, rules: here })
    }
  }
}

/** Unreadable directories are shown, their content isn't. */
const sortedEntries = async (directory: Anchor): Promise<Dirent[]> => {
  const entries = await readdir(directory.via, { withFileTypes: true }).catch(() => [])
  return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

const typeOf = (entry: Dirent): EntryType => {
  if (entry.isDirectory()) return 'directory'
  if (entry.isSymbolicLink()) return 'link'
  return entry.isFile() ? 'file' : 'other'
}

const sizeOf = async (directory: Anchor, name: string): Promise<number | undefined> => {
  const stats = await lstat(join(directory.via, name)).catch(() => undefined)
  return stats?.size
}

/** Undefined when it is gone, replaced or closed meanwhile. */
const openQuietly = (jail: Jail, directory: Anchor, name: string): Promise<Anchor | undefined> =>
  jail.openEntry(directory, name).catch(() => undefined)

/** Of the directories from the root down to, but without, `start`. */
const rulesAbove = async (jail: Jail, start: Anchor): Promise<IgnoreRules> => {
  let rules = createIgnoreRules()
  if (start.relative === '') return rules
  const segments = start.relative.split('/')
  for (const [index] of segments.entries()) {
    await using above = await jail.open(segments.slice(0, index).join('/') || '.')
    rules = await withOwnRules(jail, above, rules)
  }
  return rules
}

const withOwnRules = async (jail: Jail, directory: Anchor, rules: IgnoreRules): Promise<IgnoreRules> => {
  await using file = await openQuietly(jail, directory, '.gitignore')
  if (file === undefined) return rules
  const content = await readText(file, '.gitignore').catch(() => '')
  return content === '' ? rules : rules.with(directory.relative, content)
}
