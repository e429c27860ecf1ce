-- Lays a part of a session that is to be restored aside, where it is gone after ten minutes if nobody comes for it.
-- KEYS[1]: prefix
-- ARGV: token of the restore, number of tasks, then id, record (JSON) per task, then id, number of fields and the
--       fields per log entry
-- Returns 'staged'
local token, count = ARGV[1], number(ARGV[2])
local tasks, log = key('restore', token, 'tasks'), key('restore', token, 'log')
local at = 3
for _ = 1, count do
  redis.call('HSET', tasks, ARGV[at], ARGV[at + 1])
  at = at + 2
end
while at <= #ARGV do
  local id, fields = ARGV[at], number(ARGV[at + 1])
  -- An entry that is there already (the part was sent twice) has an id that is no longer the next.
  if #redis.call('XRANGE', log, id, id) == 0 then
    redis.call('XADD', log, id, unpack(ARGV, at + 2, at + 1 + fields))
  end
  at = at + 2 + fields
end
redis.call('EXPIRE', tasks, 600)
redis.call('EXPIRE', log, 600)
return 'staged'
