/** Loads the Lua files and runs them by hash. Each is atomic and safe to send twice; see lua/README.md. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'
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
] as const
export type ScriptName = (typeof NAMES)[number]

export type RunScript = (name: ScriptName, args: readonly (string | number)[]) => Promise<unknown>

export const createScripts = (redis: Redis, prefix: string): RunScript => {
  const read = (name: string) => readFileSync(new URL(`lua/${name}.lua`, import.meta.url), 'utf8')
  const library = `${read('lib')}\n${read('costs')}`
  const scripts = new Map(
    NAMES.map((name) => {
      const text = `${library}\n${read(name)}`
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
