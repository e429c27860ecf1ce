/** Finds the repository that a workspace is, without git: its configuration can make git run programs. */
import { constants } from 'node:fs'
import { type FileHandle, open, realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'

/** All absolute, real paths. */
export const Repository = z.object({
  workspace: z.string(),
  /** Index and HEAD of this working tree. */
  gitDir: z.string(),
  /** References, objects and configuration; differs from `gitDir` in a linked working tree. */
  commonDir: z.string(),
})
export type Repository = z.infer<typeof Repository>

/**
 * Undefined when the workspace is not the root of a working tree. A `.git` folder that says its references lie
 * elsewhere is none: git makes no such folder, a command in the sandbox could. Nor is a `.git` file that leads to
 * a repository which does not lead back: what is committed would go to somebody else's.
 */
export const repositoryOf = async (workspace: string): Promise<Repository | undefined> => {
  try {
    const dotGit = join(workspace, '.git')
    const isFolder = (await stat(dotGit)).isDirectory()
    const pointer = isFolder ? dotGit : /^gitdir: (.+)$/m.exec(await firstBytes(dotGit))?.[1]
    if (pointer === undefined) return undefined
    const gitDir = await realpath(resolve(workspace, pointer.trim()))
    const common = await firstBytes(join(gitDir, 'commondir')).catch(() => '')
    if (isFolder && common !== '') return undefined
    const commonDir = await realpath(resolve(gitDir, common.trim()))
    if (!isFolder && !(await leadsBack({ workspace, gitDir, commonDir }))) return undefined
    await Promise.all([stat(join(gitDir, 'HEAD')), stat(join(commonDir, 'objects'))])
    return { workspace, gitDir, commonDir }
  } catch {
    return undefined
  }
}

/** As git leaves it: of a linked working tree the path of its `.git`, of a submodule the working tree itself. */
const leadsBack = async ({ workspace, gitDir, commonDir }: Repository): Promise<boolean> => {
  if (gitDir !== commonDir) {
    const pointer = (await firstBytes(join(gitDir, 'gitdir'))).trim()
    return (
      dirname(gitDir) === join(commonDir, 'worktrees') &&
      (await realpath(resolve(gitDir, pointer))) === join(workspace, '.git')
    )
  }
  const [, tree] =
    /^\s*worktree\s*=\s*"?([^"\n]+?)"?\s*$/m.exec(await firstBytes(join(gitDir, 'config'))) ?? []
  return tree !== undefined && (await realpath(resolve(gitDir, tree))) === workspace
}

const FIRST_BYTES = 4_096

const firstBytes = async (path: string): Promise<string> => {
  await using handle: FileHandle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  if (!(await handle.stat()).isFile()) throw new Error(`${path} is no regular file`)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(FIRST_BYTES), 0, FIRST_BYTES, 0)
  return buffer.toString('utf8', 0, bytesRead)
}
