/**
 * The folders of `session_dir` and `cost_dir`: one JSON file a session in each, written whole or not at all.
 * The marker file in `session_dir` holds a random id, so that processes can tell whether they see the same folder.
 */
import { randomUUID } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { type FileHandle, link, mkdir, open, opendir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

export interface SessionFolder {
  /** The file of the session's mirror. */
  mirror: (sessionId: string) => string
  costs: (sessionId: string) => string
  /** The id in the marker file, made when it is missing. Throws what the file system says. */
  marker: () => Promise<string>
  /** The id that is in the marker file right now; null when there is none, or none to be read. */
  readMarker: () => Promise<string | null>
  /**
   * Temporary file, rename: a crash of the process leaves the old file or the new one, and a crash of the machine too
   * unless the file is `replaceable`, because what it holds is known elsewhere. Throws what the file system says.
   */
  write: (
    file: string,
    chunks: AsyncIterable<string> | Iterable<string>,
    options?: { replaceable?: boolean },
  ) => Promise<void>
  exists: (file: string) => Promise<boolean>
  /** Removes the session's files; fine when there are none. */
  remove: (sessionId: string) => Promise<void>
  /** Ids of the sessions that have a mirror. What crashed writers left is removed on the way. */
  sessions: () => AsyncIterable<string>
}

const MARKER = '.alex-store'
const MIRROR = /^([A-Za-z0-9_-]{1,128})\.json$/
const UNFINISHED = /\.tmp$/
const UNFINISHED_MS = 3_600_000

export const openSessionFolder = (options: { sessionDir: string; costDir: string }): SessionFolder => {
  const { sessionDir, costDir } = options
  const mirror = (sessionId: string) => join(sessionDir, `${sessionId}.json`)
  const costs = (sessionId: string) => join(costDir, `${sessionId}.json`)
  const markerFile = join(sessionDir, MARKER)

  /** As it was read last: its own inode and time stamp tell whether it still is. */
  let marker: { id: string; stats: Stats } | undefined

  const makeMarker = async (): Promise<string> => {
    await mkdir(sessionDir, { recursive: true, mode: 0o700 })
    const written = `${markerFile}.${randomUUID()}`
    try {
      await writeAll(await openNew(written, WRITE_NEW | constants.O_DSYNC), [`${randomUUID()}\n`])
      // Unlike a rename this leaves the marker of whoever was first.
      await link(written, markerFile).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error
      })
    } finally {
      await rm(written, { force: true })
    }
    return readFile(markerFile, 'utf8')
  }

  return {
    mirror,
    costs,
    async marker() {
      const now = await stat(markerFile).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error
        return null
      })
      if (now && marker && isSameFile(now, marker.stats)) return marker.id
      const id = (now ? await readFile(markerFile, 'utf8') : await makeMarker()).trim()
      if (id === '') throw new FolderProblem(`${markerFile} is empty: remove it, a new one is made`)
      if (now) marker = { id, stats: now }
      return id
    },
    readMarker: () =>
      readFile(markerFile, 'utf8').then(
        (text) => text.trim() || null,
        () => null,
      ),
    async write(file, chunks, { replaceable = false } = {}) {
      const written = `${file}.${randomUUID()}.tmp`
      try {
        const handle = await openIn(
          dirname(file),
          written,
          replaceable ? WRITE_NEW : WRITE_NEW | constants.O_DSYNC,
        )
        await writeAll(handle, chunks)
        await rename(written, file)
      } catch (error) {
        await rm(written, { force: true }).catch(() => {})
        throw error
      }
    },
    async exists(file) {
      try {
        await stat(file)
        return true
      } catch (error) {
        if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error
        return false
      }
    },
    async remove(sessionId) {
      for (const file of [mirror(sessionId), costs(sessionId)])
        await rm(file, { force: true }).catch((error: unknown) => {
          // No such folder: no such file.
          if (codeOf(error) !== 'ENOTDIR') throw error
        })
    },
    async *sessions() {
      const names = await opendir(sessionDir).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error
        return []
      })
      for await (const { name } of names) {
        const id = MIRROR.exec(name)?.[1]
        if (id !== undefined) yield id
        if (!UNFINISHED.test(name)) continue
        const file = join(sessionDir, name)
        const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Date.now() }))
        if (Date.now() - mtimeMs > UNFINISHED_MS) await rm(file, { force: true })
      }
    },
  }
}

/** Something about the folder that only a person can put right. */
class FolderProblem extends Error {
  override name = 'FolderProblem'
}

/** Whether the file system refused, or the folder is not as it must be. */
export const isOfFiles = (error: unknown): boolean =>
  error instanceof FolderProblem || (error instanceof Error && 'syscall' in error)

/** The system's word for what went wrong with a file, e.g. `ENOENT`. */
const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

const WRITE_NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL

/** With O_DSYNC what is written is on the disk when a write returns, without a call of its own for it. */
const openNew = (file: string, flags: number): Promise<FileHandle> => open(file, flags, 0o600)

const isSameFile = (a: Stats, b: Stats) =>
  a.ino === b.ino && a.dev === b.dev && a.ctimeMs === b.ctimeMs && a.size === b.size

/** Makes the folder where it is missing. */
const openIn = async (folder: string, file: string, flags: number): Promise<FileHandle> => {
  try {
    return await openNew(file, flags)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
  await mkdir(folder, { recursive: true, mode: 0o700 })
  return openNew(file, flags)
}

const CHARS_A_WRITE = 256 * 1024

const writeAll = async (
  handle: FileHandle,
  chunks: AsyncIterable<string> | Iterable<string>,
): Promise<void> => {
  try {
    let text = ''
    for await (const chunk of chunks) {
      text += chunk
      if (text.length < CHARS_A_WRITE) continue
      await handle.writeFile(text)
      text = ''
    }
    if (text !== '') await handle.writeFile(text)
  } finally {
    await handle.close()
  }
}
