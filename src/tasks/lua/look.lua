-- Hands out sessions that somebody must look after now (mirror, trim, evict, forget), each to one keeper at a time.
-- A reply that got lost leaves its sessions to whoever looks after the claim has run out.
-- KEYS[1]: prefix
-- ARGV: token of this look, how many at most, how long a claim holds (ms)
-- Returns session ids
local token, most, claim = ARGV[1], ARGV[2], number(ARGV[3])
local out = {}
for _, sid in ipairs(redis.call('ZRANGEBYSCORE', key('keep'), '-inf', NOW, 'LIMIT', 0, most)) do
  local session = key('session', sid)
  local s = redis.call('HMGET', session, 'created_at', 'deleted', 'keeper_until', 'look_from')
  local wait = math.max(number(s[3]), number(s[4]))
  if not s[1] or s[2] then
    redis.call('ZREM', key('keep'), sid)
  elseif wait > NOW then
    redis.call('ZADD', key('keep'), wait, sid)
  else
    redis.call('HSET', session, 'keeper', token, 'keeper_until', NOW + claim)
    redis.call('ZADD', key('keep'), NOW + claim, sid)
    out[#out + 1] = sid
  end
end
return out
