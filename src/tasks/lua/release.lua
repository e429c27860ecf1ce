-- Gives a running task back, to be continued by another activation (a worker that leaves).
-- KEYS[1]: prefix
-- ARGV: task id, activation, reason ('drained')
-- Returns {'ok', ticket} | {'cancelled', ticket…} | {'lost' | 'gone', why}
local id, activation, reason = ARGV[1], ARGV[2], ARGV[3]
local tickets = {}
local r = record(id)
if not r then return { 'gone', 'the task does not exist' } end
if r.released_by == activation then
  ticket_again(id, r, tickets)
  return reply('ok', tickets)
end
if r.status == 'cancelled' and r.ended_by == activation then
  woke_again(r, tickets)
  return reply('cancelled', tickets)
end
if r.status ~= 'running' or r.activation ~= activation then return { 'lost', 'the task is ' .. r.status .. ' for another' } end
if r.cancel then
  redis.call('HSET', key('task', id), 'ended_by', activation)
  end_cancelled(id, r, tickets)
  return reply('cancelled', tickets)
end
redis.call('HSET', key('task', id), 'released_by', activation, 'activation', '', 'lease_until', 0, 'resume_reason', reason)
set_status(id, r, 'pending')
make_runnable(id, r, tickets)
return reply('ok', tickets)
