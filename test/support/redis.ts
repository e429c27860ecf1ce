import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import type { Log } from '../../src/log.ts'
import { connectRedis } from '../../src/redis.ts'
import { createArchive } from '../../src/tasks/archive.ts'
import { createFeed } from '../../src/tasks/feed.ts'
import { createTicketQueue } from '../../src/tasks/queue.ts'
import { openSessionFolder } from '../../src/tasks/session-folder.ts'
import { createStore, LEASE_MS } from '../../src/tasks/store.ts'

export const quietLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => quietLog,
}

/** The store, queue and feed on the run's real Redis, under a prefix of their own that is removed afterwards. */
export const openStore = (
  options: { url?: string; prefix?: string; leaseMs?: number; sessionDir?: string } = {},
) => {
  const url = options.url ?? inject('redisUrl')
  const prefix = options.prefix ?? `{test-${randomUUID()}}`
  const redis = connectRedis(url, 'patient', quietLog)
  const subscriber = connectRedis(url, 'subscriber', quietLog)
  const store = createStore({ redis, prefix, leaseMs: options.leaseMs ?? LEASE_MS })
  const queue = createTicketQueue({ redis, prefix, log: quietLog })
  const feed = createFeed({ subscriber, store, log: quietLog })
  // A folder that nobody makes: no session is in a file.
  const none = join(tmpdir(), `alex-test-none-${randomUUID()}`)
  const folder = openSessionFolder({ sessionDir: options.sessionDir ?? none, costDir: join(none, 'costs') })
  return {
    url,
    prefix,
    folder,
    archive: createArchive({ store, folder, log: quietLog }),
    redis,
    subscriber,
    store,
    queue,
    feed,
    async [Symbol.asyncDispose]() {
      feed[Symbol.dispose]()
      const keys = await redis.keys(`${prefix.replaceAll(/[[\]*?]/g, String.raw`\$&`)}*`)
      if (keys.length > 0) await redis.unlink(...keys)
      redis.disconnect()
    },
  }
}
export type OpenStore = ReturnType<typeof openStore>
