-- Ends a keeper's look at a session: notes what its mirror holds and says when to look next.
-- KEYS[1]: prefix
-- ARGV: session id, token of the look, what was mirrored (last id and trimmed_to) or '', marker of the folder it is in,
--       retention (ms), ms in which nobody need look whatever happens, ms until the next look or '' for what retention says
-- Returns 'kept' | 'lost' (another keeper has it) | 'gone' (deleted)
local sid, token, mirrored, marker, retention, again = ARGV[1], ARGV[2], ARGV[3], ARGV[4], number(ARGV[5]), ARGV[7]
local HOUR = 3600000
local session = key('session', sid)
local s = redis.call('HMGET', session, 'created_at', 'deleted', 'keeper', 'kept_by', 'last_id', 'trimmed_to',
  'updated_at', 'restored_at', 'evicted')
if not s[1] or s[2] then return 'gone' end
if s[4] == token then return 'kept' end
if s[3] ~= token then return 'lost' end
redis.call('HSET', session, 'kept_by', token, 'look_from', NOW + ARGV[6])
redis.call('HDEL', session, 'keeper', 'keeper_until')
if mirrored ~= '' then redis.call('HSET', session, 'mirrored', mirrored, 'mirrored_in', marker) end
local at = NOW + HOUR
if again ~= '' then
  at = NOW + again
elseif mirrored ~= '' and mirrored ~= mirror_state(s[5], s[6]) then
  at = NOW
elseif not s[9] then
  local idle_at = math.max(number(s[7]), number(s[8])) + retention
  at = math.min(at, math.max(idle_at, NOW + 1000))
end
redis.call('ZADD', key('keep'), at, sid)
return 'kept'
