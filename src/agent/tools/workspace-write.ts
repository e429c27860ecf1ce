/** Replaces a file of the workspace as a whole: readers see the old content or the new, never a part. */
import { constants } from 'node:fs'
import { chmod, mkdir, open, rm } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { LeaseLost } from '../../errors.ts'
import { temporaryName } from './closed-places.ts'
import type { ToolContext } from './tool.ts'
import { type Anchor, bytes, type Jail, MAX_FILE_BYTES, PathRefused } from './workspace-path.ts'

export interface ReplaceFile {
  /** As the model wrote it. */
  path: string
  content: string
}

/** A failure after which nobody knows whether the file was replaced. */
const UNKNOWN = 'interrupted: the file may or may not have been written; check before repeating'

/** Creates missing folders; keeps the file's mode; writes to what a symlink leads to, if that is in the workspace. */
export const replaceFile = async (
  jail: Jail,
  { path, content }: ReplaceFile,
  { signal, assertLease, guard }: Pick<ToolContext, 'signal' | 'assertLease' | 'guard'>,
): Promise<{ created: boolean; relative: string }> => {
  const size = Buffer.byteLength(content)
  if (size > MAX_FILE_BYTES) throw new PathRefused(`the content is too large: ${bytes(size)}, at most 10 MB`)
  const existing = await describeExisting(jail, path)
  const target = existing?.relative ?? jail.locate(path)
  if (target === '') throw new PathRefused(`${path} is the workspace itself`)
  const beforeEffect = () => {
    signal.throwIfAborted()
    assertLease()
  }
  beforeEffect()
  await using folder = await openFolder(jail, dirname(target))
  // A name that file tools don't list, should worker and guard be killed together.
  const name = temporaryName()
  const temporary = join(folder.via, name)
  // By its real path: the descriptor dies with the worker.
  using _ = guard.temporary(join(jail.workspace, folder.relative, name))
  try {
    await using handle = await open(
      temporary,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
      0o666,
    )
    await handle.writeFile(content)
    if (existing !== undefined) await chmod(temporary, existing.mode)
    beforeEffect()
    const renamed = await guard.rename(forGuard(temporary), forGuard(join(folder.via, basename(target))))
    if (renamed === 'lapsed') throw new LeaseLost('the guard heard no heartbeat and did not write the file')
    if (renamed === 'unknown') throw new Error(UNKNOWN)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  return { created: existing === undefined, relative: target }
}

/** The same descriptor as another process names it. */
const forGuard = (path: string): string => path.replace(/^\/proc\/self\//, `/proc/${process.pid}/`)

const describeExisting = async (jail: Jail, path: string) => {
  try {
    await using anchor = await jail.open(path)
    if (!anchor.stats.isFile()) throw new PathRefused(`${path} exists and is not a regular file`)
    return { relative: anchor.relative, mode: anchor.stats.mode & 0o777 }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Walks down from the workspace's root, each step judged, so that no folder is made outside. */
const openFolder = async (jail: Jail, path: string): Promise<Anchor> => {
  let folder = await jail.open('.')
  for (const segment of path.split(sep).filter((part) => part !== '.' && part !== '')) {
    await using parent = folder
    folder = await openOrMake(jail, parent, segment)
  }
  if (folder.stats.isDirectory()) return folder
  await folder[Symbol.asyncDispose]()
  throw new PathRefused(`${path} is not a directory`)
}

const openOrMake = async (jail: Jail, parent: Anchor, segment: string): Promise<Anchor> => {
  try {
    const found = await jail.openEntry(parent, segment)
    if (!found.stats.isSymbolicLink()) return found
    await found[Symbol.asyncDispose]()
    return await jail.open(join(parent.relative, segment))
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    await mkdir(join(parent.via, segment)).catch((failure) => {
      if (codeOf(failure) !== 'EEXIST') throw failure
    })
    return jail.openEntry(parent, segment)
  }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined
