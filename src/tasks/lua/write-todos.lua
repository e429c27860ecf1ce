-- Replaces a session's todo list, for the activation that holds the task.
-- KEYS[1]: prefix
-- ARGV: task id, activation, todos (JSON)
-- Returns {'ok'} | {'lost' | 'gone', why}
local r = record(ARGV[1])
if not r then return { 'gone', 'the task does not exist' } end
if redis.call('HGET', key('session', r.session_id), 'deleted') then return { 'gone', 'the session was deleted' } end
if r.status ~= 'running' or r.activation ~= ARGV[2] then return { 'lost', 'the task is ' .. r.status .. ' for another' } end
redis.call('SET', key('session', r.session_id, 'todos'), ARGV[3])
return { 'ok' }
