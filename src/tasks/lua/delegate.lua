-- Records the start of a call that other tasks answer and makes these tasks, its children: the task waits for them,
-- held by nobody, until the last has ended. Each gets the parent's tool preset and, when it may begin, its deadline.
-- KEYS[1]: prefix
-- ARGV: task id, activation, seq the caller expects, data of the tool_call_start (JSON), how many children may run at a
--       time, then id, record fields (JSON object of strings) per child
-- Returns {'ok', ticket per child that may run now …} | {'cancel'} (one was asked for; nothing is changed)
--       | {'lost' | 'gone', why}
local id, activation, expected, limit = ARGV[1], ARGV[2], number(ARGV[3]), ARGV[5]
local tickets = {}
local r = record(id)
if not r then return { 'gone', 'the task does not exist' } end
if redis.call('HGET', key('session', r.session_id), 'deleted') then return { 'gone', 'the session was deleted' } end
if r.delegated_by == activation and number(r.delegated_from) == expected then
  for _, child in ipairs(open_children(r)) do ticket_again(child[1], child[2], tickets) end
  return reply('ok', tickets)
end
if r.status ~= 'running' or r.activation ~= activation then return { 'lost', 'the task is ' .. r.status .. ' for another' } end
if number(r.seq) ~= expected then return { 'lost', 'the log is at ' .. r.seq .. ', not at ' .. expected } end
if r.cancel then return { 'cancel' } end

log_event(id, r, expected + 1, 'tool_call_start', ARGV[4])
local session, ids = key('session', r.session_id), {}
for i = 6, #ARGV, 2 do
  local child_id, child = ARGV[i], cjson.decode(ARGV[i + 1])
  ids[#ids + 1] = child_id
  child.session_id, child.parent_task_id, child.status = r.session_id, id, 'pending'
  child.tool_preset = r.tool_preset
  local before = redis.call('HGET', session, 'last_id')
  set_fields(key('task', child_id), child)
  redis.call('HSET', key('task', child_id), 'id', child_id, 'v', VERSION, 'created_at', NOW, 'status_at', NOW,
    'seq', 1, 'log_from', before)
  redis.call('ZADD', key('status', 'pending'), NOW, child_id)
  count('created subtask')
  redis.call('ZADD', key('session', r.session_id, 'tasks'), r.created_at, child_id)
  log_event(child_id, child, 1, 'task_queued', cjson.encode({ task = child.task }))
end
r.children, r.child_limit = table.concat(ids, ' '), limit
redis.call('HSET', key('task', id), 'seq', expected + 1, 'children', r.children, 'child_limit', limit,
  'delegated_by', activation, 'delegated_from', expected, 'activation', '', 'lease_until', 0)
set_status(id, r, 'waiting')
redis.call('ZADD', key('due'), r.deadline, id)
start_children(r, tickets)
return reply('ok', tickets)
