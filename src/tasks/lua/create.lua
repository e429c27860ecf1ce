-- Stores a new task, puts it in its session's line, and gives it a ticket when it can run now.
-- KEYS[1]: prefix
-- ARGV: task id, session id, idempotency key or '', hash of the parsed body, answer to store (JSON),
--       seconds the answer is kept, record fields (JSON object of strings), run_at (ms, or ''), session title,
--       '1' when a session that is not known must not be made
-- Returns {'created', ticket…} | {'replayed', answer} | {'conflict'} | {'session_deleted'}
--       | {'not_here'}: the session is evicted, or not known where it must be
local id, sid, idem, body_hash, answer = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local tickets = {}
local existing = record(id)
if existing then
  ticket_again(id, existing, tickets)
  return reply('created', tickets)
end
if idem ~= '' then
  local stored = redis.call('HMGET', key('idem', idem), 'hash', 'answer')
  if stored[1] then
    if stored[1] == body_hash then return { 'replayed', stored[2] } end
    return { 'conflict' }
  end
end
local session = key('session', sid)
local known = redis.call('HMGET', session, 'deleted', 'evicted', 'created_at')
if known[1] then return { 'session_deleted' } end
if known[2] or (not known[3] and ARGV[10] == '1') then return { 'not_here' } end

if redis.call('HSETNX', session, 'created_at', NOW) == 1 then redis.call('HSET', session, 'title', ARGV[9]) end
local r = cjson.decode(ARGV[7])
r.session_id, r.status = sid, 'pending'
local before = redis.call('HGET', session, 'last_id') or '0-0'
set_fields(key('task', id), r)
redis.call('HSET', key('task', id), 'id', id, 'v', VERSION, 'created_at', NOW, 'status_at', NOW, 'seq', 1, 'log_from', before)
redis.call('ZADD', key('status', 'pending'), NOW, id)
count('created task')
redis.call('ZADD', key('session', sid, 'tasks'), NOW, id)

local queued = { task = r.task }
if ARGV[8] ~= '' and number(ARGV[8]) > NOW then
  redis.call('ZADD', key('due'), ARGV[8], id)
  queued.run_at = r.run_at
  end_quiet(number(ARGV[8]))
else
  queued.position = join_line(id, r, tickets)
end
log_event(id, r, 1, 'task_queued', cjson.encode(queued))
if idem ~= '' then
  redis.call('HSET', key('idem', idem), 'hash', body_hash, 'answer', answer)
  redis.call('EXPIRE', key('idem', idem), ARGV[6])
end
return reply('created', tickets)
