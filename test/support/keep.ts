/** The part of a worker that looks after sessions, on a folder of the test's own. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { createRedactor } from '../../src/redact.ts'
import { createArchive } from '../../src/tasks/archive.ts'
import { createKeepSession } from '../../src/tasks/keep-session.ts'
import { openSessionFolder } from '../../src/tasks/session-folder.ts'
import { createMirrorView } from '../../src/tasks/view.ts'
import { openStore, quietLog } from './redis.ts'

export interface KeeperOptions {
  sessionDir?: string
  prefix?: string
  retentionMs?: number
  secrets?: string[]
  /** Hears the warnings and notices. */
  onLog?: (message: string) => void
}

const DAY_MS = 86_400_000

/** A folder that is removed when the test ends. */
export const makeFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'alex-test-keep-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

export const openKeeper = async (options: KeeperOptions = {}) => {
  const open = openStore(options)
  onTestFinished(() => open[Symbol.asyncDispose]())
  const { store, redis } = open
  const sessionDir = options.sessionDir ?? join(await makeFolder(), 'sessions')
  const folder = openSessionFolder({ sessionDir, costDir: join(await makeFolder(), 'costs') })
  const archive = createArchive({ store, folder, log: quietLog })
  const keepSession = createKeepSession({
    store,
    folder,
    archive,
    view: createMirrorView(createRedactor(options.secrets ?? [])),
    retentionMs: options.retentionMs ?? DAY_MS,
    log: {
      ...quietLog,
      info: (_, message) => options.onLog?.(message),
      warn: (_, message) => options.onLog?.(message),
    },
  })
  return {
    ...open,
    folder,
    archive,
    sessionDir,
    keepSession,
    /** The time to look has come for this session, and it is looked after. */
    async lookAt(sessionId: string): Promise<void> {
      await redis.zadd(store.key('keep'), 0, sessionId)
      await redis.hdel(store.key('session', sessionId), 'look_from')
      const look = (await store.keeping.look(1000)).find(({ session_id }) => session_id === sessionId)
      if (!look) throw new Error(`nobody may look at ${sessionId}`)
      await keepSession(look)
    },
  }
}
export type Keeper = Awaited<ReturnType<typeof openKeeper>>
