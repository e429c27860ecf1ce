/** Confines the commands of `bash` and `code_execute` with bubblewrap, where that works. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { messageOf } from '../../errors.ts'
import { bubblewrapArguments, PROBE_ARGUMENTS } from './sandbox-arguments.ts'
import { placesToHide, protectedIn } from './sandbox-places.ts'

export interface SandboxOptions {
  /** `auto` runs commands without confinement where bubblewrap doesn't work; `required` refuses them. */
  mode: 'auto' | 'required' | 'off'
  network: 'none' | 'full'
  /** Absolute paths of ALEX's own state: its home, sessions, costs, Redis sockets. */
  closedDirs: readonly string[]
  /** What commands get; see `toolEnvironment`. HOME tells where the secret places are. */
  env: Readonly<Record<string, string>>
}

export type Wrapped =
  | {
      ok: true
      argv: [string, ...string[]]
      env: Record<string, string>
      /** Not there now and not to be there afterwards; see `removedAfter`. */
      forbidden: readonly string[]
    }
  /** `refusal` is meant for the model. */
  | { ok: false; refusal: string }

export interface Sandbox {
  /** For health, log and the tool's description. */
  describe(): { active: boolean; network: 'none' | 'full'; message: string }
  /** Takes a few milliseconds: it looks for secrets in the workspace. */
  wrap(argv: readonly [string, ...string[]], workspace: string, needs?: SandboxNeeds): Promise<Wrapped>
}

/** What a program of ours needs beyond what a command of the model gets. */
export interface SandboxNeeds {
  /** Paths of programs, in case they lie in a hidden place. */
  readable?: readonly string[]
  /** Folders outside the workspace: the repository of a linked working tree. */
  writable?: readonly string[]
  /** For a program that must see which files are secrets, and runs nothing else. */
  workspaceSecrets?: 'hidden' | 'shown'
}

/** Probes bubblewrap once; never rejects. */
export const createSandbox = async (options: SandboxOptions): Promise<Sandbox> => {
  const { mode, network, closedDirs, env } = options
  const failure = mode === 'off' ? undefined : await probe(env)
  const active = mode !== 'off' && failure === undefined
  const message = describe(options, failure)

  return {
    describe: () => ({ active, network: active ? network : 'full', message }),
    wrap: async (argv, workspace, needs = {}) => {
      if (mode === 'required' && !active) return { ok: false, refusal: message }
      if (!active) return { ok: true, argv: [...argv], env: { ...env }, forbidden: [] }
      if (workspace === '/') return { ok: false, refusal: 'the workspace is the root of the file system' }
      const places = await placesToHide({ workspace, closedDirs, home: env['HOME'] })
      for (const path of needs.writable ?? []) places.readOnly.push(...(await protectedIn(path)))
      const confined = [
        'bwrap',
        ...bubblewrapArguments({ workspace, network, places, ...needs }),
        '--',
        ...argv,
      ] as const
      return { ok: true, argv: [...confined], env: { ...env, ...CACHES }, forbidden: places.forbidden }
    },
  }
}

/** The home directory is read-only inside. */
const CACHES = { XDG_CACHE_HOME: '/tmp/.cache', npm_config_cache: '/tmp/.npm' }

const PROBE_MS = 5_000

/** Why bubblewrap can't be used, or undefined. */
const probe = async (env: Readonly<Record<string, string>>): Promise<string | undefined> => {
  try {
    await promisify(execFile)('bwrap', [...PROBE_ARGUMENTS, '--', 'true'], {
      env: { ...env },
      timeout: PROBE_MS,
    })
    return undefined
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'it is not installed'
    return messageOf(error).split('\n').filter(Boolean).at(-1)
  }
}

const describe = ({ mode, network }: SandboxOptions, failure: string | undefined): string => {
  if (mode === 'off') return 'sandbox off: commands run with the rights and the network of the worker'
  if (failure === undefined) return `bubblewrap, network ${network}`
  const why = `bubblewrap does not work here: ${failure}`
  if (mode === 'required') return `sandbox required, but ${why}. Commands are refused`
  return `no sandbox, ${why}. Commands run under the guard alone, with the network of the worker`
}
