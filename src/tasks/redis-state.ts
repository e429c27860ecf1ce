/** What Redis says of itself: its memory, and whether it may lose what it was given. */
import type { FleetSnapshot } from './service.ts'

export type RedisSettings = Pick<
  FleetSnapshot['redis'],
  'evicts' | 'persists' | 'memory_bytes' | 'memory_limit_bytes' | 'concerns'
>

/** Of the text of INFO; where a managed Redis leaves something out, it is not judged. */
export const readRedisSettings = (info: string): RedisSettings => {
  const field = (name: string) => new RegExp(String.raw`^${name}:(\S+)`, 'm').exec(info)?.[1]
  const policy = field('maxmemory_policy') ?? 'noeviction'
  const memory = field('used_memory')
  const limit = Number(field('maxmemory') ?? 0)
  const aof = field('aof_enabled')
  const mayEvict = policy !== 'noeviction'
  return {
    evicts: mayEvict && limit > 0,
    ...(aof === undefined ? {} : { persists: aof === '1' }),
    ...(memory === undefined ? {} : { memory_bytes: Number(memory) }),
    ...(limit > 0 ? { memory_limit_bytes: limit } : {}),
    concerns: [
      ...(mayEvict
        ? [
            `${limit > 0 ? 'Redis may evict tasks' : 'Redis would evict tasks once it has a maxmemory'}: maxmemory-policy is ${policy} and must be noeviction`,
          ]
        : []),
      ...(aof === '0'
        ? [
            'Redis keeps no append-only file: a crash of Redis loses tasks, even finished ones; set appendonly to yes',
          ]
        : []),
    ],
  }
}
