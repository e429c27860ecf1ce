/** Runs the API, the worker and the embedded Redis as children; restarts what dies; stops them in order. */
import { join } from 'node:path'
import type { EmbeddedRedis } from './embedded-redis.ts'
import type { Log } from './log.ts'
import { type KeptAlive, keepAlive } from './supervisor/keep-alive.ts'
import { lifeOfRedis, type ProcessSpec, startProcess } from './supervisor/life.ts'

export interface Supervise {
  /** Absent when a Redis is configured. Called again after a crash, with the server that crashed. */
  startRedis?: (crashed?: EmbeddedRedis) => Promise<EmbeddedRedis>
  /** Asked once, with the URL of the embedded Redis. */
  processes: (redisUrl?: string) => ProcessSpec[]
  /** Gets `<name>.pid` of whatever runs. */
  pidFolder?: string
  log: Log
}

export interface Supervisor {
  /** An exit code, once something could not be started and all the rest has been stopped. */
  failed: Promise<number>
  /** The processes first, all at once; then Redis, when nobody uses it any more. */
  stop: () => Promise<void>
  /** Kills the processes; Redis saves and ends when this process does. */
  kill: () => void
}

/** Resolves when Redis answers and the processes are started. Throws when Redis cannot start. */
export const supervise = async ({
  startRedis,
  processes,
  pidFolder,
  log,
}: Supervise): Promise<Supervisor> => {
  const pidFile = (name: string) =>
    pidFolder === undefined ? {} : { pidFile: join(pidFolder, `${name}.pid`) }

  let redis = await startRedis?.()
  const redisUrl = redis?.url
  const again = async () => {
    redis = await startRedis?.(redis)
    if (redis === undefined) throw new Error('there is no embedded Redis to start')
    return lifeOfRedis(redis)
  }
  const keptRedis: KeptAlive[] = redis
    ? [keepAlive({ name: 'redis', start: again, ...pidFile('redis') }, lifeOfRedis(redis), log)]
    : []
  const keptProcesses = processes(redisUrl).map((spec) =>
    keepAlive(
      { name: spec.name, start: () => startProcess(spec), ...pidFile(spec.name) },
      startProcess(spec),
      log,
    ),
  )

  const stop = async () => {
    await Promise.all(keptProcesses.map((kept) => kept.stop()))
    await Promise.all(keptRedis.map((kept) => kept.stop()))
  }
  const gaveUp = Promise.race([...keptProcesses, ...keptRedis].map((kept) => kept.gaveUp))
  const failed = gaveUp.then(async (code) => {
    await stop()
    return code
  })
  return { failed, stop, kill: () => keptProcesses.forEach((kept) => kept.kill()) }
}
