import { Redis } from 'ioredis'
import type { Store } from '../../src/tasks/store.ts'

const SHIFT = `
local P, by = KEYS[1], tonumber(ARGV[1])
for _, name in ipairs(redis.call('KEYS', string.gsub(P, '[%[%]%*%?]', '\\\\%0') .. ':*')) do
  local rest = string.sub(name, #P + 2)
  if string.match(rest, '^task:') then
    for _, field in ipairs({ 'lease_until', 'not_before', 'alone_until', 'deadline', 'started_at', 'created_at', 'status_at', 'cancel_at' }) do
      if tonumber(redis.call('HGET', name, field) or '0') > 0 then redis.call('HINCRBY', name, field, by) end
    end
  elseif rest == 'due' or rest == 'due:tickets' or rest == 'ready' or rest == 'workers' or rest == 'sessions' or string.match(rest, '^status:') then
    for _, id in ipairs(redis.call('ZRANGE', name, 0, -1)) do redis.call('ZINCRBY', name, by, id) end
  elseif rest == 'last_beat' or rest == 'grace_until' or rest == 'quiet_until' then
    redis.call('INCRBY', name, by)
  end
end`

/**
 * What a jump of Redis' clock by so many ms leaves behind, seen from after it: all times stored before are shifted the
 * other way, in one step. Keys keep their time to live, and log ids theirs.
 */
export const jumpClock = async (store: Store, ms: number): Promise<void> => {
  const redis = new Redis(String(store.redis.options.path))
  try {
    await redis.eval(SHIFT, 1, store.key().replace(/:$/, ''), -ms)
  } finally {
    redis.disconnect()
  }
}
