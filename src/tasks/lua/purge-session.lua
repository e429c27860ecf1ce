-- Removes what is left of a deleted session, a part at a time. Nothing while one of its tasks is still at work.
-- KEYS[1]: prefix
-- ARGV: session id, how many tasks at most
-- Returns 'purged' | 'more' | 'busy' | 'not_deleted'
local sid, most = ARGV[1], number(ARGV[2])
local session = key('session', sid)
local tasks = key('session', sid, 'tasks')
if not redis.call('HGET', session, 'deleted') then
  redis.call('ZREM', key('due'), 'session:' .. sid)
  return redis.call('EXISTS', session) == 1 and 'not_deleted' or 'purged'
end
local ids = redis.call('ZRANGE', tasks, 0, most - 1)
for _, id in ipairs(ids) do
  local r = record(id)
  if r and not ended(r.status) then
    if is_at_work(r) then return 'busy' end
    for _, child in ipairs(open_children(r)) do
      if is_at_work(child[2]) then return 'busy' end
    end
    r.cancel, r.cancel_by = r.cancel or 'session deleted', r.cancel_by or 'system'
    end_cancelled(id, r, {})
    r.status = 'cancelled'
  end
  if r then
    redis.call('ZREM', key('status', r.status), id)
    redis.call('ZREM', key('due'), id)
    redis.call('ZREM', key('due:tickets'), id)
    redis.call('ZREM', key('ready'), id)
    redis.call('DEL', key('task', id))
  end
  redis.call('ZREM', tasks, id)
end
if redis.call('ZCARD', tasks) > 0 then return 'more' end
redis.call('ZREM', key('due'), 'session:' .. sid)
redis.call('ZREM', key('sessions'), sid)
redis.call('ZREM', key('keep'), sid)
redis.call('UNLINK', session, key('session', sid, 'log'), key('session', sid, 'line'), tasks, key('session', sid, 'todos'))
return 'purged'
