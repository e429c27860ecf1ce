/** The worker's side of a git operation. */
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { z } from 'zod'
import { isWithin } from '../closed-places.ts'
import { reportCommand } from '../command-report.ts'
import { removedAfter } from '../removed-after.ts'
import type { Sandbox, SandboxNeeds } from '../sandbox.ts'
import type { ToolContext, ToolOutput } from '../tool.ts'
import { GitAnswer, type GitRequest, type Operation } from './git-protocol.ts'
import { type Repository, repositoryOf } from './repository.ts'

export interface GitPrograms {
  sandbox: Sandbox
  /** Path of flock(1): the lock ends with the process that holds it, whatever ended that. */
  flock: string
  /** Of git; see `toolEnvironment`. */
  env: Readonly<Record<string, string>>
}

export interface GitRun<Value extends z.ZodType> {
  operation: Operation
  value: Value
  /** Two operations of one call need two. */
  key: string
  timeoutMs: number
}

export type GitResult<Value> = { ok: true; value: Value } | { ok: false; output: ToolOutput }

/** An answer is JSON and useless when cut: bounded by what operations return. */
const KEEP_CHARS = 8_000_000

/**
 * Operations on one working tree that change it wait for each other, in all workers of the machine. Throws
 * `LeaseLost` when the guard ended it for the lease.
 */
export const runGit = async <Value extends z.ZodType>(
  { sandbox, flock, env }: GitPrograms,
  context: ToolContext,
  { operation, value, key, timeoutMs }: GitRun<Value>,
): Promise<GitResult<z.infer<Value>>> => {
  const { workspace, callKey, signal, guard } = context
  const repository = await repositoryOf(workspace)
  if (repository === undefined) return refused('the workspace is not a git repository', 'no repository')
  const online = operation.kind === 'propose'
  const scratch = join(sandbox.describe().active && !online ? '/tmp' : tmpdir(), name())
  const request: GitRequest = { repository, scratch, operation }
  // Going online takes what the sandbox hides: keys, the network. It writes nothing but to the remote.
  const wrapped = online
    ? { ok: true as const, argv: COMMAND, env: { ...env }, forbidden: [] }
    : await sandbox.wrap(COMMAND, workspace, needsOf(operation, repository))
  if (!wrapped.ok) return refused(wrapped.refusal, 'refused by the sandbox')
  const lock = operation.kind === 'commit' || online ? [flock, '--exclusive', repository.gitDir] : []
  const [program = process.execPath, ...rest] = [...lock, ...wrapped.argv]
  signal.throwIfAborted()
  context.assertLease()
  // Hooks of the repository may have run.
  await using _ = removedAfter(guard, [scratch, ...wrapped.forbidden])
  const result = await guard.run({
    key: `${callKey}/${key}`,
    argv: [program, ...rest],
    cwd: workspace,
    env: wrapped.env,
    input: JSON.stringify(request),
    timeoutMs,
    keepChars: KEEP_CHARS,
    signal,
  })
  if (result.killedBy !== undefined || result.exitCode !== 0)
    return { ok: false, output: reportCommand(result, timeoutMs / 1000) }
  const answer = GitAnswer.parse(JSON.parse(result.stdout))
  if (!answer.ok) return refused(answer.refused, 'refused')
  return { ok: true, value: value.parse(answer.value) }
}

const name = () => `alex-git-${randomBytes(8).toString('hex')}`

const SCRIPT = fileURLToPath(new URL(`./git-process${extname(import.meta.filename)}`, import.meta.url))
const COMMAND: [string, ...string[]] = [process.execPath, SCRIPT]
/** Where this program lies, should that be a hidden place. */
const PROGRAM = ['src', 'node_modules', 'package.json'].map((part) =>
  fileURLToPath(new URL(`../../../../${part}`, import.meta.url)),
)

/**
 * Git writes through symlinks (a message, a log), which a command in the sandbox could have set: so it is
 * confined like that command. Only a look that runs no code of the repository sees the files of secrets.
 */
const needsOf = ({ kind }: Operation, { workspace, gitDir, commonDir }: Repository): SandboxNeeds => {
  const elsewhere = [...new Set([commonDir, gitDir])].filter((path) => !isWithin(workspace, path))
  const programs = [...PROGRAM, process.execPath]
  return kind === 'commit'
    ? { readable: programs, writable: elsewhere }
    : { readable: [...programs, ...elsewhere], workspaceSecrets: 'shown' }
}

const refused = (why: string, error: string): { ok: false; output: ToolOutput } => ({
  ok: false,
  output: { content: `Not done: ${why}.`.replace(/\.\.$/, '.'), error },
})
