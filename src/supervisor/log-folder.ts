import { mkdirSync, openSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'

const ROTATE_AT_BYTES = 20 * 1024 * 1024

export const createLogFolder = (folder: string): void =>
  void mkdirSync(folder, { recursive: true, mode: 0o700 })

/** `<folder>/<name>.log`; one that has grown large becomes `<name>.log.1` first, in place of the one before. */
export const logFile = (folder: string, name: string): string => {
  const file = join(folder, `${name}.log`)
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (size > ROTATE_AT_BYTES) renameSync(file, `${file}.1`)
  return file
}

export const openLog = (folder: string, name: string): number => openSync(logFile(folder, name), 'a', 0o600)
