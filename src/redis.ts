/** Connections to Redis, one make per way of waiting. */
import { once } from 'node:events'
import { Redis, type RedisOptions } from 'ioredis'
import { RedisUnavailable } from './errors.ts'
import type { Log } from './log.ts'
import { tick } from './tick.ts'

/**
 * `patient` (workers): commands wait until Redis is back and are sent again.
 * `hasty` (API): commands fail at once while Redis is away and after 1.5 s when it hangs.
 * `subscriber`: patient; channels are subscribed again by the owner, who must know when that is done.
 */
export type ConnectionKind = 'patient' | 'hasty' | 'subscriber'

const reconnectSoon = (times: number) => Math.min(50 * times, 200)

/**
 * Silence after a command that means a dead connection, half-open ones included. Together with a beat (1 s) it
 * must stay below the lease, so that a worker finds its way back before its task goes to another.
 */
const SILENCE_MS = 2000

const SHARED = { retryStrategy: reconnectSoon, connectTimeout: SILENCE_MS, socketTimeout: SILENCE_MS }

const OPTIONS = {
  patient: { ...SHARED, maxRetriesPerRequest: null },
  hasty: { ...SHARED, enableOfflineQueue: false, commandTimeout: 1500, maxRetriesPerRequest: 0 },
  subscriber: { ...SHARED, maxRetriesPerRequest: null, autoResubscribe: false },
} satisfies Record<ConnectionKind, RedisOptions>

/** How often a subscriber is asked whether it is alive, in seconds; undefined: not before `startsListening`. */
type PingEvery = () => number | undefined

/** Starts connecting. The caller closes it with `disconnect()`. */
export const connectRedis = (
  url: string,
  kind: ConnectionKind,
  log: Log,
  pingEveryS: PingEvery = () => 1,
): Redis => {
  const redis = new Redis(url, { ...OPTIONS[kind], connectionName: `alex-${kind}` })
  // One line per outage, not per attempt, nor per connection: a subscriber has another one beside it.
  const beside = kind === 'subscriber'
  let away = false
  redis.on('error', (error: Error) => {
    const fields = { err: error.message, connection: kind }
    if (!away) log[beside ? 'debug' : 'warn'](fields, '[DI] Redis is away')
    away = true
  })
  redis.on('ready', () => {
    if (away) log[beside ? 'debug' : 'info']({ connection: kind }, '[DI] Redis is back')
    away = false
  })
  if (kind === 'subscriber') pingWhileReady(redis, pingEveryS)
  return redis
}

const LISTENING = Symbol('listening')

/** Somebody waits for what this subscriber hears, so that its death has to be noticed soon. */
export const startsListening = (subscriber: Redis): void => void subscriber.emit(LISTENING)

/** A connection that only listens says nothing of its own, so its silence has to be asked about. */
const pingWhileReady = (redis: Redis, pingEveryS: PingEvery): void => {
  const ended = new AbortController()
  redis.once('end', () => ended.abort())
  const loop = async () => {
    for (let everyS: number | undefined = 1; !ended.signal.aborted; everyS = pingEveryS()) {
      if (everyS !== undefined) await tick(everyS, ended.signal)
      else await once(redis, LISTENING, { signal: ended.signal }).catch(() => {})
      if (redis.status === 'ready') redis.ping().catch(() => {})
    }
  }
  void loop()
}

const REFUSED = /^(OOM|READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|MISCONF|BUSY)\b/

/** The code in an error reply with which Redis refused what it was asked, e.g. `OOM`; undefined when it is not that. */
export const refusalCode = (reply: string): string | undefined => REFUSED.exec(reply)?.[1]

const CONNECTION_ERRORS = ['Error', 'MaxRetriesPerRequestError', 'AbortError']

/**
 * What ioredis throws when Redis cannot serve becomes `RedisUnavailable`; a fault of our own stays as it is.
 * Connection failures are plain `Error`s there, never a subclass of it.
 */
export const asRedisError = (error: unknown): unknown => {
  if (!(error instanceof Error)) return error
  const refused = error.name === 'ReplyError' && refusalCode(error.message) !== undefined
  const away = refused || CONNECTION_ERRORS.includes(error.name)
  return away ? new RedisUnavailable({ cause: error }) : error
}

/** Awaits work done with a connection directly; failures of Redis become `RedisUnavailable`. */
export const viaRedis = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work
  } catch (error) {
    throw asRedisError(error)
  }
}
