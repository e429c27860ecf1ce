/** Which places of a workspace no file tool may touch or list, and the sandbox hides. */
import { isAbsolute, relative, sep } from 'node:path'

/** True for `inner` being `outer` or below it; both absolute and normalised. */
export const isWithin = (outer: string, inner: string): boolean => {
  const path = relative(outer, inner)
  return path === '' || (path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path))
}

/** ALEX's own state and files of secrets, as one path segment. */
export const isSecretName = (name: string): boolean => /^(\.env.*|\.alex(-.*)?)$/i.test(name)

/** Why `path` (relative to the workspace) is closed, or undefined. `.git` holds files that run code. */
export const closedName = (path: string): string | undefined =>
  path.split(sep).find((segment) => isSecretName(segment) || segment.toLowerCase() === '.git')

/** Those of the absolute `closedDirs` that close something in this workspace; one that holds it closes nothing. */
export const closedDirsWithin = (workspace: string, closedDirs: readonly string[]): string[] =>
  closedDirs.filter((dir) => isWithin(workspace, dir) && !isWithin(dir, workspace))
