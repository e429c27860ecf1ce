-- Takes a session that has rested for the retention out of Redis; a stub of it stays. Only when its mirror was
-- verified to be of this very state and every live process sees the folder it is in.
-- KEYS[1]: prefix
-- ARGV: session id, token of the look, state the verified mirror is of, marker of its folder, retention (ms), how long
--       a process counts as live after it last named its folder (ms), '1' to ask only
-- Returns 'evicted' | 'may' (asked only) | 'changed' (there is something to mirror, or another keeper has it)
--       | 'unfinished' (a task is) | 'not_idle' | 'not_shared' | 'gone'
local sid, token, state, marker, retention, live = ARGV[1], ARGV[2], ARGV[3], ARGV[4], number(ARGV[5]), number(ARGV[6])
local session, tasks = key('session', sid), key('session', sid, 'tasks')
local s = redis.call('HMGET', session, 'created_at', 'deleted', 'evicted', 'keeper', 'last_id', 'trimmed_to',
  'updated_at', 'restored_at')
if not s[1] or s[2] then return 'gone' end
if s[3] then return 'evicted' end
if s[4] ~= token or mirror_state(s[5], s[6]) ~= state then return 'changed' end
if NOW - math.max(number(s[7]), number(s[8])) < retention then return 'not_idle' end

local mine = false
for _, process in ipairs(redis.call('ZRANGEBYSCORE', key('stores'), NOW - live, '+inf')) do
  if string.sub(process, 1, #marker + 1) ~= marker .. ':' then return 'not_shared' end
  mine = true
end
if not mine then return 'not_shared' end

local ids = redis.call('ZRANGE', tasks, 0, -1)
local statuses = {}
for i, id in ipairs(ids) do
  statuses[i] = redis.call('HGET', key('task', id), 'status')
  if statuses[i] and not ended(statuses[i]) then return 'unfinished' end
end
if ARGV[7] == '1' then return 'may' end
for i, id in ipairs(ids) do
  if statuses[i] then redis.call('ZREM', key('status', statuses[i]), id) end
  redis.call('DEL', key('task', id))
end
redis.call('UNLINK', key('session', sid, 'log'), key('session', sid, 'line'), tasks, key('session', sid, 'todos'))
redis.call('HSET', session, 'evicted', NOW, 'task_count', #ids, 'mirrored', state, 'mirrored_in', marker)
return 'evicted'
