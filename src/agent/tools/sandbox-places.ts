/** Finds what the sandbox hides or makes read-only; all paths are real and existed a moment ago. */
import type { Dirent } from 'node:fs'
import { mkdir, readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isExampleName, isSecretName, isTemporaryName, isWithin } from './closed-places.ts'

export interface HiddenPlaces {
  /** Of /run, which is hidden: what name resolution needs. */
  kept: string[]
  /** Outside the workspace. */
  directories: string[]
  files: string[]
  /** `.git` of the workspace. */
  repositories: string[]
  /** Folders of the workspace that hold something hidden: moved away, it would be found no more. Outermost first. */
  holders: string[]
  readOnly: string[]
  /** What bubblewrap can't keep from being made without making it itself. */
  forbidden: string[]
  workspaceDirectories: string[]
  workspaceFiles: string[]
}

export interface HideOptions {
  workspace: string
  closedDirs: readonly string[]
  home: string | undefined
}

export const placesToHide = async ({ workspace, closedDirs, home }: HideOptions): Promise<HiddenPlaces> => {
  const [known, scanned, repository, kept] = await Promise.all([
    existing([...closedDirs, ...SYSTEM_SECRETS, ...(await homeSecrets(home))]),
    existing(await secretsOf(workspace)),
    protectedGit(workspace),
    existing(['/etc/resolv.conf']),
  ])
  // The workspace itself is what the operator chose to open.
  const places = [...known, ...scanned].filter(({ path }) => path !== workspace)
  const inside = topmost(places.filter(({ path }) => isWithin(workspace, path)))
  const outside = topmost(places.filter(({ path }) => !isWithin(workspace, path) && !isCovered(path)))
  return {
    kept: pathsOf(kept, false).filter((path) => isWithin('/run', path)),
    directories: pathsOf(outside, true),
    files: pathsOf(outside, false),
    workspaceDirectories: pathsOf(inside, true),
    workspaceFiles: pathsOf(inside, false),
    holders: holdersOf(inside, workspace),
    ...repository,
  }
}

interface Place {
  path: string
  directory: boolean
}

const pathsOf = (places: readonly Place[], directory: boolean): string[] =>
  places.filter((place) => place.directory === directory).map(({ path }) => path)

const holdersOf = (inside: readonly Place[], workspace: string): string[] => {
  const holders = new Set<string>()
  for (const { path } of inside.filter((place) => !isExampleName(basename(place.path)))) {
    for (let folder = dirname(path); folder !== workspace; folder = dirname(folder)) holders.add(folder)
  }
  // A folder sorts before what is in it.
  return [...holders].toSorted()
}

const SYSTEM_SECRETS = ['/var/run', '/etc/shadow', '/etc/gshadow', '/etc/ssl/private']

const HOME_SECRETS = [
  '.ssh',
  '.aws',
  '.azure',
  '.gnupg',
  '.docker',
  '.kube',
  '.password-store',
  '.netrc',
  '.npmrc',
  '.pypirc',
  '.pgpass',
  '.git-credentials',
  '.vault-token',
  '.bash_history',
  '.zsh_history',
  '.config/gh',
  '.config/gcloud',
  '.config/git/credentials',
  '.config/google-chrome',
  '.local/share/keyrings',
  '.cargo/credentials.toml',
  '.terraform.d',
  '.mozilla',
]

const homeSecrets = async (home: string | undefined): Promise<string[]> => {
  if (home === undefined) return []
  const names = await readdir(home).catch(() => [])
  return [...HOME_SECRETS, ...names.filter(isSecretName)].map((name) => join(home, name))
}

/** Of entries; a workspace larger than this keeps secrets that lie deeper than the scan came. */
const SCAN_ENTRIES = 20_000
const SCAN_DEPTH = 8
const SCAN_LEVEL_DIRECTORIES = 2_000
const NOT_SCANNED = new Set(['.git', 'node_modules'])

/** Level by level, so that what lies near the root is always found. */
const secretsOf = async (workspace: string): Promise<string[]> => {
  const secrets: string[] = []
  let level = [workspace]
  for (let depth = 0, seen = 0; level.length > 0 && depth < SCAN_DEPTH && seen < SCAN_ENTRIES; depth += 1) {
    const entries = await Promise.all(level.map(entriesOf))
    const found = entries.flat()
    seen += found.length
    secrets.push(...found.filter(({ name }) => isSecretName(name) && !isTemporaryName(name)).map(pathOf))
    level = found
      .filter((entry) => entry.isDirectory() && !isSecretName(entry.name) && !NOT_SCANNED.has(entry.name))
      .map(pathOf)
      .slice(0, SCAN_LEVEL_DIRECTORIES)
  }
  return secrets
}

const entriesOf = (directory: string): Promise<Dirent[]> =>
  readdir(directory, { withFileTypes: true }).catch(() => [])

const pathOf = (entry: Dirent): string => join(entry.parentPath, entry.name)

/** `.git/config` and hooks run code when the user next calls git. A missing hooks folder could be made. */
const protectedGit = async (
  workspace: string,
): Promise<Pick<HiddenPlaces, 'repositories' | 'readOnly' | 'forbidden'>> => {
  const git = join(workspace, '.git')
  const [found] = await existing([git])
  if (found === undefined || found.path !== git) return { repositories: [], readOnly: [], forbidden: [] }
  // Of a linked working tree or a submodule: says where configuration and hooks are.
  if (!found.directory) return { repositories: [], readOnly: [git], forbidden: [] }
  // Says that they lie elsewhere; git makes no such file in a folder of this name.
  return { repositories: [git], readOnly: await protectedIn(git), forbidden: [join(git, 'commondir')] }
}

/** What of a repository's own folder stays read-only. */
export const protectedIn = async (git: string): Promise<string[]> => {
  const files = await existing([join(git, 'config'), join(git, 'config.worktree')])
  if (files.length > 0) await mkdir(join(git, 'hooks')).catch(() => {})
  return [...files, ...(await existing([join(git, 'hooks')]))].map(({ path }) => path)
}

/** Real paths: bubblewrap mounts on what a symlink leads to. */
const existing = async (paths: readonly string[]): Promise<Place[]> => {
  const found = await Promise.all(
    paths.map(async (path): Promise<Place | undefined> => {
      try {
        const real = await realpath(path)
        return { path: real, directory: (await stat(real)).isDirectory() }
      } catch {
        return undefined
      }
    }),
  )
  return found.filter((place) => place !== undefined)
}

/** Without doubles and without what lies below another of them. */
const topmost = (places: readonly Place[]): Place[] => {
  const unique = [...new Map(places.map((place) => [place.path, place])).values()]
  return unique.filter(
    ({ path }) =>
      !unique.some((other) => other.path !== path && other.directory && isWithin(other.path, path)),
  )
}

/** Places that are hidden as a whole, see `ROOT` in sandbox-arguments.ts. */
const isCovered = (path: string): boolean =>
  ['/run', '/tmp', '/var/tmp', '/dev', '/proc'].some((root) => isWithin(root, path))
