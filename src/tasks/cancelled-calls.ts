import type { Redis } from 'ioredis'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { viaRedis } from '../redis.ts'
import type { Store } from './store.ts'

export type CancelledCalls = ReturnType<typeof createCancelledCalls>

/**
 * A client's call is open in one API process; that it gives the call up may be said to another. So all of them
 * are told. Nothing is kept: what is said while Redis is away is lost, and the call ends when its time is up.
 */
export const createCancelledCalls = (options: { store: Store; subscriber: Redis; log: Log }) => {
  const { store, subscriber, log } = options
  const channel = store.key('cancelled_calls')
  const open = new Map<string, () => void>()

  subscriber.on('message', (heardOn: string, call: string) => {
    if (heardOn === channel) open.get(call)?.()
  })
  const subscribe = () => {
    subscriber
      .subscribe(channel)
      .catch((error: unknown) => log.debug({ err: messageOf(error) }, '[ServerCoordinator] subscribe'))
  }
  subscriber.on('ready', subscribe)
  if (subscriber.status === 'ready') subscribe()

  return {
    /** `cancelled` is called when any process was told so, until the returned function was called. */
    listen(call: string, cancelled: () => void): () => void {
      open.set(call, cancelled)
      return () => {
        if (open.get(call) === cancelled) open.delete(call)
      }
    },

    /** Throws `RedisUnavailable`. */
    async tell(call: string): Promise<void> {
      await viaRedis(store.redis.publish(channel, call))
    },
  }
}
