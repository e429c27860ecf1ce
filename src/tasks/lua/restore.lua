-- Puts an evicted session back from what was laid aside, all of it or nothing. A task that was unfinished when
-- its mirror was written ends here: nobody knows how far it came.
-- KEYS[1]: prefix
-- ARGV: session id, token of the restore, how many tasks and how many entries were laid aside, todos (JSON) or '',
--       last id and trimmed_to of the mirror
-- Returns 'restored' | 'present' (it is not evicted) | 'gone' | 'incomplete' (what was laid aside is gone)
local sid, token, task_count, event_count, todos = ARGV[1], ARGV[2], number(ARGV[3]), number(ARGV[4]), ARGV[5]
local staged_tasks, staged_log = key('restore', token, 'tasks'), key('restore', token, 'log')
local session, log, tasks = key('session', sid), key('session', sid, 'log'), key('session', sid, 'tasks')
local s = redis.call('HMGET', session, 'created_at', 'deleted', 'evicted', 'restored_by')
local verdict = nil
if not s[1] or s[2] then
  verdict = 'gone'
elseif not s[3] then
  verdict = s[4] == token and 'restored' or 'present'
elseif redis.call('HLEN', staged_tasks) ~= task_count or redis.call('XLEN', staged_log) ~= event_count then
  verdict = 'incomplete'
end
if verdict then
  redis.call('UNLINK', staged_tasks, staged_log)
  return verdict
end

if event_count > 0 then
  redis.call('RENAME', staged_log, log)
  redis.call('PERSIST', log)
  -- The last entries may have been trimmed; no id is given twice all the same.
  if redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1][1] ~= ARGV[6] then redis.pcall('XSETID', log, ARGV[6]) end
end
redis.call('HDEL', session, 'evicted', 'task_count', 'trimmed_to')
redis.call('HSET', session, 'restored_at', NOW, 'restored_by', token, 'last_id', ARGV[6])
if ARGV[7] ~= '' then redis.call('HSET', session, 'trimmed_to', ARGV[7]) end
if todos ~= '' then redis.call('SET', key('session', sid, 'todos'), todos) end
local records = redis.call('HGETALL', staged_tasks)
local unfinished, created = {}, {}
for i = 1, #records, 2 do created[records[i]] = cjson.decode(records[i + 1]).created_at end
for i = 1, #records, 2 do
  local id, fields = records[i], cjson.decode(records[i + 1])
  local flat = {}
  for name, value in pairs(fields) do
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  redis.call('HSET', key('task', id), unpack(flat))
  redis.call('ZADD', key('status', fields.status), fields.status_at, id)
  redis.call('ZADD', tasks, created[fields.parent_task_id] or fields.created_at, id)
  -- Parents first: the end of a child is nothing to go on with then.
  if not ended(fields.status) then table.insert(unfinished, fields.parent_task_id and #unfinished + 1 or 1, id) end
end
redis.call('UNLINK', staged_tasks)
COUNTING = false
for _, id in ipairs(unfinished) do
  end_failed(id, record(id), 'restored', 'the session was restored from a copy made while this task was unfinished', 'error', {})
end
look_after(sid)
return 'restored'
