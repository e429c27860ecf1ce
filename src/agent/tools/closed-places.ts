/** Which places of a workspace no file tool may touch or list, and the sandbox hides. */
import { randomBytes } from 'node:crypto'
import { isAbsolute, relative, sep } from 'node:path'

/** True for `inner` being `outer` or below it; both absolute and normalised. */
export const isWithin = (outer: string, inner: string): boolean => {
  const path = relative(outer, inner)
  return path === '' || (path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path))
}

/** ALEX's own state and files of secrets, as one path segment. */
export const isSecretName = (name: string): boolean => /^(\.env.*|\.alex(-.*)?)$/i.test(name)

/** Of a file that is written to be shared, such as `.env.example`. */
export const isExampleName = (name: string): boolean => /\.(example|sample|template|dist)$/i.test(name)

/** For a file that is written aside before it takes its place. */
export const temporaryName = (): string => `.alex-${randomBytes(6).toString('hex')}.tmp`

/** There for a moment only: bubblewrap would leave an empty file behind where it hides one that just went. */
export const isTemporaryName = (name: string): boolean => /^\.alex-[0-9a-f]{12}\.tmp$/.test(name)

/** Why `path` (relative to the workspace) is closed, or undefined. `.git` holds files that run code. */
export const closedName = (path: string): string | undefined =>
  path.split(sep).find((segment) => isSecretName(segment) || segment.toLowerCase() === '.git')

/** Those of the absolute `closedDirs` that close something in this workspace; one that holds it closes nothing. */
export const closedDirsWithin = (workspace: string, closedDirs: readonly string[]): string[] =>
  closedDirs.filter((dir) => isWithin(workspace, dir) && !isWithin(dir, workspace))
