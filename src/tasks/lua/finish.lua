-- Ends a task for the activation that holds it. A cancel that was asked for before wins over any other end.
-- KEYS[1]: prefix
-- ARGV: task id, activation, seq the caller expects, status to end in, terminal event type, its data (JSON),
--       record fields to set (JSON object), record counters to add to (JSON object), usage of model calls (JSON list,
--       see costs.lua), then type, data per earlier event.
--       With status 'cancelled' the terminal event is made here, from the record.
-- Returns {'ok', status it ended in, ticket of the session's next task …} | {'lost' | 'gone', why}
local id, activation, expected, status = ARGV[1], ARGV[2], number(ARGV[3]), ARGV[4]
local tickets = {}
local r = record(id)
if not r then return { 'gone', 'the task does not exist' } end

local function answer(final)
  local out = { 'ok', final }
  for i = 1, #tickets do out[#out + 1] = tickets[i] end
  return out
end

if ended(r.status) and r.ended_by == activation then
  woke_again(r, tickets)
  return answer(r.status)
end
if r.status ~= 'running' or r.activation ~= activation then return { 'lost', 'the task is ' .. r.status .. ' for another' } end
if number(r.seq) ~= expected then return { 'lost', 'the log is at ' .. r.seq .. ', not at ' .. expected } end

local task = key('task', id)
local seq = expected
for i = 10, #ARGV, 2 do
  seq = seq + 1
  log_event(id, r, seq, ARGV[i], ARGV[i + 1])
end
local fields = cjson.decode(ARGV[7])
fields.ended_by = activation
local cancelled = r.cancel or status == 'cancelled'
-- Of an end that did not happen: no event tells of them.
if cancelled then fields.answer, fields.error = nil, nil end
set_fields(task, fields)
for name, value in pairs(cjson.decode(ARGV[8])) do redis.call('HINCRBY', task, name, value) end
count_usage(id, r, cjson.decode(ARGV[9]))
local latest = record(id)
latest.seq = tostring(seq)
if cancelled then
  latest.cancel = latest.cancel or 'task cancelled'
  latest.cancel_by = latest.cancel_by or 'worker'
  end_cancelled(id, latest, tickets)
  return answer('cancelled')
end
end_task(id, latest, status, ARGV[5], ARGV[6], {}, tickets)
return answer(status)
