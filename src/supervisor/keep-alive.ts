import { rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { EX_CONFIG } from '../config.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Ending, Life } from './life.ts'

/** Whoever lives this long has started well. */
const HEALTHY_MS = 10_000
/** So many failed starts in a row, and none ever that went well: it is not worth trying again. */
const MAX_FAILED_STARTS = 5
const FIRST_DELAY_MS = 100
const MAX_DELAY_MS = 10_000

export interface Service {
  name: string
  start: () => Life | Promise<Life>
  /** Holds the pid while the service runs. */
  pidFile?: string
}

export interface KeptAlive {
  /** The code the supervisor should exit with, when starting again is no use; else pending until `stop`. */
  gaveUp: Promise<number>
  stop: () => Promise<void>
  kill: () => void
}

/**
 * Starts a service again whenever it ends, at once after a healthy life and ever later after short ones.
 * A process that a signal killed did not fail to start, so it is always started again.
 */
export const keepAlive = (service: Service, first: Life, log: Log): KeptAlive => {
  const { name, pidFile } = service
  const { promise: gaveUp, resolve: giveUp } = Promise.withResolvers<number>()
  const stopping = new AbortController()
  let life: Life | null = first

  const liveOnce = async (): Promise<Ending> => {
    try {
      life ??= await service.start()
      log.info({ pid: life.pid }, `[DI] ${name} started`)
      if (pidFile) writeFileSync(pidFile, `${life.pid}\n`)
      if (stopping.signal.aborted) await life.stop()
      return await life.ended
    } catch (error) {
      return { code: 1, how: messageOf(error) }
    } finally {
      life = null
      if (pidFile) rmSync(pidFile, { force: true })
    }
  }

  const run = async (): Promise<void> => {
    let short = 0
    let provenGood = false
    while (!stopping.signal.aborted) {
      const began = performance.now()
      const { code, how } = await liveOnce()
      if (stopping.signal.aborted) return
      const healthy = performance.now() - began >= HEALTHY_MS
      provenGood ||= healthy
      short = healthy ? 0 : short + 1
      const hopeless = code === EX_CONFIG || (code !== null && !provenGood && short >= MAX_FAILED_STARTS)
      if (hopeless) {
        log.error({ how }, `[DI] ${name} cannot start: ${how}; its own lines above say why`)
        return giveUp(code === EX_CONFIG ? EX_CONFIG : 1)
      }
      const delay = Math.min(MAX_DELAY_MS, short === 0 ? 0 : FIRST_DELAY_MS * 2 ** (short - 1))
      log.warn({ how, delay_ms: delay }, `[DI] ${name} ended (${how}), starting it again`)
      await sleep(delay, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }

  const ran = run()
  return {
    gaveUp,
    stop: async () => {
      stopping.abort()
      await life?.stop()
      await ran
    },
    kill: () => {
      stopping.abort()
      life?.kill()
    },
  }
}
