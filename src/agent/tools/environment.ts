/** The environment of every tool process: an allow-list, so that no key, token or Redis URL gets through. */
import { realpathSync } from 'node:fs'
import { delimiter, isAbsolute, resolve } from 'node:path'
import { isWithin } from './closed-places.ts'

const ALLOWED = new Set([
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'TERM',
  'TZ',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
])

const PATH = '/usr/local/bin:/usr/bin:/bin'

/**
 * `source` is the worker's own environment; `workspaces` are absolute, real paths. No program is looked for in a
 * workspace: `npm start` puts a folder of the checkout into PATH, and a call could leave a `bwrap` or `rg` there
 * that the next call would run outside the sandbox.
 */
export const toolEnvironment = (
  source: Readonly<Record<string, string | undefined>>,
  workspaces: readonly string[] = [],
): Record<string, string> => {
  const allowed = Object.entries(source).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (ALLOWED.has(entry[0]) || /^LC_[A-Z]+$/.test(entry[0])),
  )
  const folders = (source['PATH'] ?? '').split(delimiter).filter((folder) => isTrusted(folder, workspaces))
  return { TERM: 'dumb', ...Object.fromEntries(allowed), PATH: folders.join(delimiter) || PATH }
}

const isTrusted = (folder: string, workspaces: readonly string[]): boolean =>
  isAbsolute(folder) && !workspaces.some((workspace) => isWithin(workspace, realOf(folder)))

const realOf = (folder: string): string => {
  try {
    return realpathSync(folder)
  } catch {
    return resolve(folder)
  }
}
