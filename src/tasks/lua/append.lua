-- Appends events of a running task, for the activation that holds it, and renews its lease.
-- KEYS[1]: prefix
-- ARGV: task id, activation, seq the caller expects the task to be at, lease (ms),
--       record fields to set (JSON object), record counters to add to (JSON object), usage of model calls (JSON list,
--       see costs.lua), then type, data (JSON) per event
-- Returns {'ok', '1' if a cancel was asked for, else '', log id per event} | {'lost' | 'gone', why}
local id, activation, expected = ARGV[1], ARGV[2], number(ARGV[3])
local r = record(id)
if not r then return { 'gone', 'the task does not exist' } end
if redis.call('HGET', key('session', r.session_id), 'deleted') then return { 'gone', 'the session was deleted' } end
if r.status ~= 'running' or r.activation ~= activation then return { 'lost', 'the task is ' .. r.status .. ' for another' } end
if number(r.seq) ~= expected then
  if r.append_by == activation and number(r.append_from) == expected then
    local out = { 'ok', r.cancel and '1' or '' }
    for event_id in string.gmatch(r.append_ids, '%S+') do out[#out + 1] = event_id end
    return out
  end
  return { 'lost', 'the log is at ' .. r.seq .. ', not at ' .. expected }
end
local out, ids = { 'ok', r.cancel and '1' or '' }, {}
local seq = expected
for i = 8, #ARGV, 2 do
  seq = seq + 1
  ids[#ids + 1] = log_event(id, r, seq, ARGV[i], ARGV[i + 1])
  out[#out + 1] = ids[#ids]
end
local task = key('task', id)
local fields = cjson.decode(ARGV[5])
fields.seq, fields.lease_until = seq, NOW + ARGV[4]
fields.append_by, fields.append_from, fields.append_ids = activation, expected, table.concat(ids, ' ')
set_fields(task, fields)
for name, value in pairs(cjson.decode(ARGV[6])) do redis.call('HINCRBY', task, name, value) end
count_usage(id, r, cjson.decode(ARGV[7]))
redis.call('ZADD', key('due'), NOW + ARGV[4], id)
return out
