/**
 * Git on a repository whose own configuration and hooks nobody vouches for: a call may have written them.
 *
 * Git never reads `.git/config`: it is pointed to a common directory of ours, which holds a configuration made of
 * harmless keys and leads to the repository's objects and references by symlinks. So no list of dangerous
 * keys has to be complete, and nobody can change the configuration between a look at it and its use.
 */
import { lstat, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type SimpleGit, simpleGit } from 'simple-git'
import { messageOf } from '../../../errors.ts'
import type { Repository } from './repository.ts'
import { readEntries, safeConfig } from './safe-config.ts'

export interface OpenRepository {
  git: SimpleGit
  /** With further variables, and what git gets on its stdin. */
  with(options: { env?: Record<string, string>; input?: string }): SimpleGit
  /** With the user's own configuration: credentials, proxies, ssh. For transport only. */
  online(env: Record<string, string>): SimpleGit
  /** Whether the repository's or the user's configuration names a folder of hooks. */
  namesHooks: boolean
}

/** What of a common directory is led to. Never config, config.worktree and hooks. */
const SHARED = ['objects', 'refs', 'packed-refs', 'reftable', 'info', 'logs', 'shallow']

export const openRepository = async (
  { workspace, gitDir, commonDir }: Repository,
  scratch: string,
): Promise<OpenRepository> => {
  const common = join(scratch, 'common')
  await mkdir(common)
  for (const name of SHARED) {
    const target = join(commonDir, name)
    if (await exists(target)) await symlink(target, join(common, name))
  }
  const entries = await readConfiguration({ gitDir, commonDir, scratch })
  await writeFile(join(common, 'config'), safeConfig(entries))

  const base = {
    GIT_DIR: gitDir,
    GIT_COMMON_DIR: common,
    GIT_WORK_TREE: workspace,
    // A path is a path, whatever is in it.
    GIT_LITERAL_PATHSPECS: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_EDITOR: 'false',
  }
  const closed = { ...base, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }
  const at = (env: Record<string, string>, input?: string) => createGit(workspace, env, input)
  return {
    git: at(closed),
    with: ({ env = {}, input }) => at({ ...closed, ...env }, input),
    online: (env) => at({ ...base, ...env, GIT_ALLOW_PROTOCOL: 'https:http:ssh:file' }),
    namesHooks: entries.some(([key]) => key === 'core.hookspath'),
  }
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  )

/** The user's, then the repository's own without what it includes; reading runs nothing. */
const readConfiguration = async ({
  gitDir,
  commonDir,
  scratch,
}: {
  gitDir: string
  commonDir: string
  scratch: string
}) => {
  const git = createGit(scratch, { GIT_DIR: gitDir })
  const list = (...where: string[]) =>
    git.raw(['config', ...where, '--list', '-z']).then(readEntries, (error: unknown) => {
      // Git's words for a file that isn't there.
      if (/unable to read config file|No such file/.test(messageOf(error))) return []
      throw error
    })
  const global = await list('--global', '--includes')
  return [...global, ...(await list(`--file=${join(commonDir, 'config')}`, '--no-includes'))]
}

/** The guard's markers and the allowed variables are this process's own environment. */
const createGit = (cwd: string, env: Record<string, string>, input?: string): SimpleGit =>
  simpleGit({
    baseDir: cwd,
    config: ['core.fsmonitor=false', 'core.hooksPath=/dev/null'],
    allowEnvironment: Object.keys(env),
    unsafe: {
      allowUnsafeFsMonitor: true,
      allowUnsafeHooksPath: true,
      allowUnsafeConfigPaths: true,
      allowUnsafeProtocolOverride: true,
      allowUnsafeEditor: true,
      allowUnsafePager: true,
    },
    ...(input !== undefined && { input: () => input }),
  }).env({ ...inherited(), ...env })

// oxlint-disable-next-line node/no-process-env -- given by the guard, an allow-list with its markers
const inherited = (): Record<string, string | undefined> => ({ ...process.env })
