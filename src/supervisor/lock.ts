import { chmodSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

export interface Lock {
  /** Releasing twice is the same as once. */
  release: () => void
}

/**
 * Holds `file` for this process until released, or null when another holder has it.
 *
 * The lock is the operating system's (SQLite's fcntl lock on an empty database): it ends with its process
 * however that dies, so there is no stale one to judge, and it holds between containers that share a folder.
 */
export const acquireLock = (file: string): Lock | null => {
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    database.exec('PRAGMA journal_mode=OFF; BEGIN EXCLUSIVE')
    chmodSync(file, 0o600)
    return {
      release: () => {
        if (database.isOpen) database.close()
      },
    }
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) return null
    throw error
  }
}

const SQLITE_BUSY = 5
