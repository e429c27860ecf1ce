-- Marks a session as deleted and cancels its unfinished tasks. From here on it does not exist for anybody.
-- KEYS[1]: prefix
-- ARGV: session id, reason, requested by, last log id or '': only when it is still this and nothing is unfinished
-- Returns {'not_found'} | {'marked'} | {'used'}
local sid = ARGV[1]
local session = key('session', sid)
local created = redis.call('HMGET', session, 'created_at', 'deleted')
if not created[1] then return { 'not_found' } end
if not created[2] and ARGV[4] ~= '' then
  if (redis.call('HGET', session, 'last_id') or '0-0') ~= ARGV[4] then return { 'used' } end
  for _, id in ipairs(redis.call('ZRANGE', key('session', sid, 'tasks'), 0, -1)) do
    local status = redis.call('HGET', key('task', id), 'status')
    if status and not ended(status) then return { 'used' } end
  end
end
if not created[2] then
  redis.call('HSET', session, 'deleted', NOW)
  redis.call('ZREM', key('sessions'), sid)
end
local tickets = {}
for _, id in ipairs(redis.call('ZRANGE', key('session', sid, 'tasks'), 0, -1)) do
  local status = redis.call('HGET', key('task', id), 'status')
  if status and not ended(status) then cancel_task(id, record(id), ARGV[2], ARGV[3], tickets) end
end
redis.call('ZADD', key('due'), NOW, 'session:' .. sid)
end_quiet(NOW)
return { 'marked' }
