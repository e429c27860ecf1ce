-- Cancels one task: ends it here and now unless a live activation works on it, which is told.
-- KEYS[1]: prefix
-- ARGV: task id, reason, requested by
-- Returns {'not_found'} | {'cancelled' | 'flagged' | 'ended', status, session id, ticket…}
local id = ARGV[1]
local tickets = {}
local r = record(id)
if not r or redis.call('HGET', key('session', r.session_id), 'deleted') then return { 'not_found' } end
local verdict = cancel_task(id, r, ARGV[2], ARGV[3], tickets)
local out = { verdict, r.status, r.session_id }
for i = 1, #tickets do out[#out + 1] = tickets[i] end
return out
