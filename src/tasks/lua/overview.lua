-- What the fleet says of itself and what its metrics tell, all at one moment, so that it adds up. Announces the API that
-- asks, which at the same time shows whether Redis takes changes.
-- KEYS[1]: prefix
-- ARGV: how long after its last event a session counts as active (ms), for how long a worker counts as alive after it was
--       heard of (ms; longer when it said so), for how long an API does (ms), after how long both are forgotten (ms), '1'
--       when somebody asks for it, where the API listens (JSON) or '', then statuses
-- Returns {now (ms), sessions, active ones, tasks that are ready, since when the longest (ms) or '', when the longest
--         pending one became so (ms) or '', {tasks per status, in the order asked}, {counts: name, value …},
--         {today's usage of models: name, value …}, {live workers: when it beat (ms), what it says of itself (JSON) …},
--         {where live APIs listen (JSON) …}, the error with which Redis refused a change or '',
--         '1' when workers were asked for a beat or ''}
local alive, api_alive, forget, asked, api = number(ARGV[2]), number(ARGV[3]), number(ARGV[4]), ARGV[5], ARGV[6]

local refused = ''
local function try(...)
  local reply = redis.pcall(...)
  if refused == '' and type(reply) == 'table' and reply.err then refused = reply.err end
end
if api ~= '' then try('ZADD', key('apis'), NOW, api) else try('SET', key('probe'), '', 'PX', 5000) end
try('ZREMRANGEBYSCORE', key('apis'), '-inf', NOW - forget)
-- What was heard at a time to come was before the clock was set back.
try('ZREMRANGEBYSCORE', key('apis'), NOW + forget, '+inf')
try('ZREMRANGEBYSCORE', key('workers'), NOW + forget, '+inf')

local statuses = {}
for i = 7, #ARGV do statuses[i - 6] = redis.call('ZCARD', key('status', ARGV[i])) end
local ready = redis.call('ZRANGE', key('ready'), 0, 0, 'WITHSCORES')
local pending = redis.call('ZRANGE', key('status', 'pending'), 0, 0, 'WITHSCORES')
local beats = redis.call('ZRANGEBYSCORE', key('workers'), NOW - forget, NOW + alive, 'WITHSCORES')
local workers, called = {}, ''
for i = 1, #beats, 2 do
  local at, said = number(beats[i + 1]), redis.call('HMGET', key('worker', beats[i]), 'info', 'next_at')
  local next_at = number(said[2])
  -- One that would be silent for longer is asked for a beat, and counts as gone when none comes.
  if asked ~= '' and refused == '' and next_at > NOW + NEXT_SLACK then
    redis.call('HSET', key('worker', beats[i]), 'next_at', NOW)
    called = '1'
  end
  if NOW <= math.max(at + alive, next_at + NEXT_SLACK) then
    workers[#workers + 1] = beats[i + 1]
    workers[#workers + 1] = said[1] or ''
  end
end
if called ~= '' then end_quiet(NOW) end
return {
  tostring(NOW), redis.call('ZCARD', key('sessions')), redis.call('ZCOUNT', key('sessions'), NOW - ARGV[1], '+inf'),
  redis.call('ZCARD', key('ready')), ready[2] or '', pending[2] or '', statuses, redis.call('HGETALL', key('counts')),
  redis.call('HGETALL', key('costs', day_of(NOW), 'models')), workers,
  redis.call('ZRANGEBYSCORE', key('apis'), NOW - api_alive, NOW + api_alive), refused, called,
}
