/**
 * The way from a path that a model wrote to a file of the workspace.
 *
 * A path is opened first and judged by what was opened: a symlink swapped in afterwards changes nothing, because
 * all that follows goes through the descriptor. On Linux the descriptor is O_PATH, so that neither a device nor
 * a FIFO is ever really opened before it was judged. Elsewhere the real path is compared by inode, which leaves
 * a race.
 */
import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, readlink, realpath, stat } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { closedDirsWithin, closedName, isWithin } from './closed-places.ts'

export const MAX_FILE_BYTES = 10 * 1024 * 1024

/** The path is not for tools; the message is meant for the model. */
export class PathRefused extends Error {
  override name = 'PathRefused'
}

/** Something of the workspace, opened and judged. Dispose it. */
export interface Anchor extends AsyncDisposable {
  /** From the workspace's root, symlinks resolved; '' is the root itself. */
  relative: string
  stats: Stats
  /** A path that leads to exactly this file or directory while the anchor is open. */
  via: string
}

export interface Jail {
  workspace: string
  /** Throws `PathRefused` outside the workspace and for closed places; file system errors as they are. */
  open(path: string): Promise<Anchor>
  /** A directory's entry, never following a symlink. */
  openEntry(directory: Anchor, name: string): Promise<Anchor>
  /** Relative, normalised form of a path as written. Throws `PathRefused` like `open`. */
  locate(path: string): string
  /** For paths relative to the workspace. */
  isClosed(path: string): boolean
}

export interface JailOptions {
  /** Absolute, real path. */
  workspace: string
  /** Absolute, real paths: ALEX's home, session and cost directories, sockets. */
  closedDirs: readonly string[]
}

export const createJail = ({ workspace, closedDirs }: JailOptions): Jail => {
  const closed = closedDirsWithin(workspace, closedDirs)

  const isClosed = (path: string): boolean =>
    closedName(path) !== undefined || closed.some((dir) => isWithin(dir, join(workspace, path)))

  /** `shown` is the path as the model wrote it. */
  const judge = (absolute: string, shown: string): string => {
    if (!isWithin(workspace, absolute)) throw new PathRefused(`${shown} is outside the workspace`)
    const path = relative(workspace, absolute)
    if (isClosed(path))
      throw new PathRefused(`${shown} is closed to tools (.git, .env* and ALEX's own state are)`)
    return path
  }

  const locate = (path: string): string => {
    if (path.includes('\0')) throw new PathRefused('a path cannot hold a NUL character')
    return judge(resolve(workspace, path), path)
  }

  const openAbsolute = async (absolute: string, shown: string, flags: number): Promise<Anchor> => {
    const opened = await openUnread(absolute, flags)
    try {
      const stats = await opened.handle.stat()
      if (stats.nlink === 0) throw new PathRefused(`${shown} was removed meanwhile`)
      return {
        relative: judge(opened.real, shown),
        stats,
        via: opened.via,
        [Symbol.asyncDispose]: () => opened.handle.close(),
      }
    } catch (error) {
      await opened.handle.close()
      throw error
    }
  }

  return {
    workspace,
    locate,
    isClosed,
    open: (path) => openAbsolute(join(workspace, locate(path)), path, 0),
    openEntry: (directory, name) =>
      openAbsolute(join(directory.via, name), join(directory.relative, name), constants.O_NOFOLLOW),
  }
}

/**
 * The text of a file. Throws `PathRefused` when it is no regular file, over 10 MB, or no UTF-8 text;
 * a byte order mark stays part of the text.
 */
export const readText = async (anchor: Anchor, shown: string): Promise<string> => {
  if (anchor.stats.isDirectory()) throw new PathRefused(`${shown} is a directory`)
  if (!anchor.stats.isFile()) throw new PathRefused(`${shown} is not a regular file`)
  const { size } = anchor.stats
  if (size > MAX_FILE_BYTES) throw new PathRefused(`${shown} is too large: ${bytes(size)}, at most 10 MB`)
  await using handle = await open(anchor.via, constants.O_RDONLY | constants.O_NONBLOCK)
  const content = await handle.readFile()
  if (content.includes(0)) throw new PathRefused(`${shown} is a binary file (${bytes(content.length)})`)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
  } catch {
    throw new PathRefused(`${shown} is not UTF-8 text (${bytes(content.length)})`)
  }
}

export const bytes = (size: number): string => {
  if (size < 1024) return `${size} B`
  return size < 1024 ** 2 ? `${(size / 1024).toFixed(1)} kB` : `${(size / 1024 ** 2).toFixed(1)} MB`
}

interface Opened {
  handle: FileHandle
  real: string
  via: string
}

/** Linux's O_PATH, which Node doesn't name. */
const O_PATH = 0o10_000_000

const openUnread = async (path: string, flags: number): Promise<Opened> => {
  if (process.platform !== 'linux') return openCompared(path)
  const handle = await open(path, O_PATH | flags)
  const via = `/proc/self/fd/${handle.fd}`
  return { handle, via, real: await readlink(via) }
}

const openCompared = async (path: string): Promise<Opened> => {
  const real = await realpath(path)
  const expected = await stat(real)
  if (!expected.isFile() && !expected.isDirectory()) throw new PathRefused(`${real} is not a regular file`)
  const handle = await open(real, constants.O_RDONLY | constants.O_NONBLOCK)
  const found = await handle.stat()
  if (found.ino === expected.ino && found.dev === expected.dev) return { handle, real, via: real }
  await handle.close()
  throw new PathRefused(`${real} was replaced while it was opened`)
}
