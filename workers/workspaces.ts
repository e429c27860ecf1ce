/** Where tasks work: looked at once an activation, and no closer than it has changed. */
import type { Stats } from 'node:fs'
import { mkdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { INSTRUCTION_FILES } from '../src/agent/prompts/system-prompt.ts'

export interface Workspace {
  /** Absolute, real. */
  path: string
  /** It has neither a `.git` nor instructions for agents: nobody need look for them. */
  bare: boolean
}

interface Known extends Workspace {
  dev: number
  ino: number
  mtimeMs: number
}

const LOOKED_FOR = ['.git', ...INSTRUCTION_FILES]
/** A folder that changed less than this ago may change again without another time stamp. */
const COARSEST_STAMP_MS = 2000
const MOST_KNOWN = 10_000

export const createWorkspaces = ({ root, perSession }: { root: string; perSession: boolean }) => {
  const known = new Map<string, Known>()

  const look = async (folder: string, { dev, ino, mtimeMs }: Stats): Promise<Workspace> => {
    const at = Date.now()
    const path = await realpath(folder)
    const found = await Promise.all(LOOKED_FOR.map((name) => exists(join(path, name))))
    const workspace = { path, bare: !found.includes(true) }
    if (known.size >= MOST_KNOWN) known.clear()
    if (workspace.bare && mtimeMs < at - COARSEST_STAMP_MS)
      known.set(folder, { ...workspace, dev, ino, mtimeMs })
    return workspace
  }

  return {
    /** The session's, made when every session has its own. */
    async of(sessionId: string): Promise<Workspace> {
      const folder = perSession ? join(root, sessionId) : root
      let stats = await stat(folder).catch(() => undefined)
      if (!stats && perSession) {
        await mkdir(folder, { recursive: true })
        stats = await stat(folder)
      }
      // A shared one that is not there: its tools say so.
      if (!stats) return { path: folder, bare: false }
      const last = known.get(folder)
      const same = last?.dev === stats.dev && last.ino === stats.ino && last.mtimeMs === stats.mtimeMs
      return last && same ? last : look(folder, stats)
    },
  }
}

/** Whatever cannot be told is taken to be there. */
const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: unknown) => !(error instanceof Error && 'code' in error && error.code === 'ENOENT'),
  )
