/** Loads the Lua files and runs them by hash. Each is atomic and safe to send twice; see lua/README.md. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'
import { redisUnit } from '../metrics/spec.ts'
import { FLEET_HISTOGRAMS } from '../metrics/table.ts'
import { asRedisError } from '../redis.ts'

const NAMES = [
  'create',
  'begin',
  'append',
  'delegate',
  'finish',
  'release',
  'cancel',
  'beat',
  'delete-session',
  'purge-session',
  'write-todos',
  'list',
  'look',
  'kept',
  'trim',
  'evict',
  'stage',
  'restore',
  'import',
  'fork',
  'stats',
  'overview',
] as const
export type ScriptName = (typeof NAMES)[number]

/** Put in front of each script, in this order. */
const LIBRARY = ['base', 'counts', 'lib', 'costs']

export type RunScript = (name: ScriptName, args: readonly (string | number)[]) => Promise<unknown>

/** A script as Redis is given it. */
export const scriptText = (name: ScriptName): string =>
  [buckets(), ...[...LIBRARY, name].map(fileText)].join('\n')

export const createScripts = (redis: Redis, prefix: string): RunScript => {
  const scripts = new Map(
    NAMES.map((name) => {
      const text = scriptText(name)
      return [name, { text, hash: createHash('sha1').update(text).digest('hex') }]
    }),
  )
  return async (name, args) => {
    const script = scripts.get(name)
    if (!script) throw new Error(`no script ${name}`)
    try {
      return await redis.evalsha(script.hash, 1, prefix, ...args)
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw asRedisError(error)
    }
    try {
      return await redis.eval(script.text, 1, prefix, ...args)
    } catch (error) {
      throw asRedisError(error)
    }
  }
}

const fileText = (name: string) => readFileSync(new URL(`lua/${name}.lua`, import.meta.url), 'utf8')

/** The bounds by which lua/counts.lua counts: ms, or as they are where they are no time. */
const buckets = (): string => {
  const tables = Object.entries(FLEET_HISTOGRAMS).map(
    ([metric, { name, buckets: bounds }]) =>
      `${metric} = { ${bounds.map((bound) => bound * redisUnit(name)).join(', ')} }`,
  )
  return `local BUCKETS = { ${tables.join(', ')} }`
}
