/**
 * The argument list of bubblewrap, all of it.
 *
 * Mounts are made in order and later ones lie above earlier ones: first the read-only root and what is hidden
 * of it, then the workspace (which may lie below a hidden place, such as /tmp), then what is hidden of that.
 */
import type { HiddenPlaces } from './sandbox-places.ts'

export interface BubblewrapOptions {
  workspace: string
  network: 'none' | 'full'
  places: HiddenPlaces
  readable?: readonly string[]
  writable?: readonly string[]
  workspaceSecrets?: 'hidden' | 'shown'
}

/** The environment is not cleared here: the guard starts bubblewrap with exactly the allowed one. */
export const bubblewrapArguments = (options: BubblewrapOptions): string[] => {
  const { workspace, network, readable = [], writable = [], workspaceSecrets = 'hidden' } = options
  const { places } = options
  const hidden =
    workspaceSecrets === 'hidden' ? places : { workspaceDirectories: [], workspaceFiles: [], holders: [] }
  return [
    ...ISOLATION,
    ...(network === 'none' ? ['--unshare-net'] : []),
    ...ROOT,
    ...places.kept.flatMap((path) => ['--ro-bind', path, path]),
    ...places.directories.flatMap((path) => ['--tmpfs', path]),
    // Reads as empty: npm or git stop at a configuration they may not read.
    ...places.files.flatMap((path) => ['--dev-bind', '/dev/null', path]),
    ...readable.flatMap((path) => ['--ro-bind', path, path]),
    '--bind',
    workspace,
    workspace,
    ...writable.flatMap((path) => ['--bind', path, path]),
    // Mounted for themselves, so that they can't be renamed away with what is protected in them.
    ...hidden.holders.flatMap((path) => ['--bind', path, path]),
    ...places.repositories.flatMap((path) => ['--bind', path, path]),
    ...places.readOnly.flatMap((path) => ['--ro-bind', path, path]),
    ...hidden.workspaceDirectories.flatMap((path) => ['--perms', '0555', '--tmpfs', path]),
    // Permission denied on reading: says that the file is there, and closed.
    ...hidden.workspaceFiles.flatMap((path) => ['--ro-bind', '/dev/null', path]),
    ...[...places.directories, ...hidden.workspaceDirectories].flatMap((path) => ['--remount-ro', path]),
    '--chdir',
    workspace,
  ]
}

const ISOLATION = [
  '--die-with-parent',
  '--new-session',
  '--unshare-user-try',
  '--unshare-pid',
  '--unshare-ipc',
  '--unshare-uts',
  '--unshare-cgroup-try',
  '--cap-drop',
  'ALL',
]

// /run holds the sockets of Docker, D-Bus, agents and databases.
const ROOT = '--ro-bind / / --dev /dev --proc /proc --tmpfs /run --tmpfs /tmp --tmpfs /var/tmp'.split(' ')

export const PROBE_ARGUMENTS = [...ISOLATION, '--unshare-net', ...ROOT]
