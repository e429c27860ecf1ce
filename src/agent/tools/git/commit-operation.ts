/** Commits exactly what was inspected, or nothing. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import { type Place, stage } from './changes.ts'
import { type Committed, GitRefused, type Operation } from './git-protocol.ts'

type CommitRequest = Extract<Operation, { kind: 'commit' }>

export const commit = async (place: Place, request: CommitRequest): Promise<z.infer<typeof Committed>> => {
  const { opened, repository } = place
  const staged = await stage(place, request.paths)
  if (staged.tree !== request.tree || staged.head !== request.head)
    throw new GitRefused('the workspace changed meanwhile; nothing was committed, look again')
  const index = join(repository.gitDir, 'index')
  const undo = request.paths.length === 0 ? async () => {} : await placeIndex(index, staged.indexFile)
  try {
    const hooks = request.hooks && (await hasHooks(place))
    const output = hooks ? await commitWithHooks(place, request.message) : ''
    const options = { '--cleanup': 'strip', '--no-verify': null }
    if (!hooks) await opened.git.commit(request.message, undefined, options)
    const hash = (await opened.git.raw(['rev-parse', '--short=12', 'HEAD'])).trim()
    return { hash, output }
  } catch (error) {
    await undo()
    throw error
  }
}

/**
 * Replaces the index the way git does, under its own lock. What is staged when this process is killed is only
 * staged: the other order, commit first, would leave an index that takes the commit back.
 */
const placeIndex = async (index: string, indexFile: string): Promise<() => Promise<void>> => {
  const before = await readFile(index).catch(() => undefined)
  await replace(index, await readFile(indexFile))
  return async () => {
    if (before === undefined) await rm(index, { force: true })
    else await replace(index, before).catch(() => {})
  }
}

const replace = async (index: string, content: Uint8Array): Promise<void> => {
  const lock = `${index}.lock`
  const handle = await open(lock, 'wx').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
    throw new GitRefused(
      'another git process works on this repository; when none does any more, a killed one left its index.lock',
    )
  })
  await handle.close()
  try {
    await writeFile(lock, content)
    await rename(lock, index)
  } catch (error) {
    await rm(lock, { force: true })
    throw error
  }
}

const COMMIT_HOOKS = new Set(['pre-commit', 'prepare-commit-msg', 'commit-msg', 'post-commit'])

const hasHooks = async ({ opened, repository }: Place): Promise<boolean> => {
  if (opened.namesHooks) return true
  const names = await readdir(join(repository.commonDir, 'hooks')).catch(() => [])
  return names.some((name) => COMMIT_HOOKS.has(name))
}

const OUTPUT_CHARS = 4_000

const COMMIT = [
  ...['core.fsmonitor=false', 'commit.gpgSign=false', 'gc.auto=0', 'maintenance.auto=false'].flatMap(
    (set) => ['-c', set],
  ),
  'commit',
  '--quiet',
  '--cleanup=strip',
  '--file=-',
]

/**
 * With the repository's own configuration, which says where its hooks are: simple-git rightly refuses that.
 * Throws `GitRefused` with what hooks and git said.
 */
const commitWithHooks = async ({ repository, scratch }: Place, message: string): Promise<string> => {
  // A pipe would stay open as long as anything a hook left behind; the guard ends that after this process.
  await using said = await open(join(scratch, 'output'), 'w+')
  const child = spawn('git', COMMIT, { cwd: repository.workspace, stdio: ['pipe', said.fd, said.fd] })
  child.stdin?.on('error', () => {})
  child.stdin?.end(message)
  const [code] = await once(child, 'exit')
  const output = (await readFile(join(scratch, 'output'), 'utf8')).trim().slice(-OUTPUT_CHARS)
  if (code !== 0) throw new GitRefused(`git or a hook refused the commit:\n${output}`)
  return output
}
