-- What the fleet's metrics tell, all at one moment, so that it adds up. Changes nothing.
-- KEYS[1]: prefix
-- ARGV: how long after its last event a session counts as active (ms), then statuses
-- Returns {now (ms), sessions, active ones, tasks that are ready, since when the longest (ms) or '', when the longest
--         pending one became so (ms) or '', {tasks per status, in the order asked}, {counts: name, value …},
--         {today's usage of models: name, value …}}
local statuses = {}
for i = 2, #ARGV do statuses[i - 1] = redis.call('ZCARD', key('status', ARGV[i])) end
local ready = redis.call('ZRANGE', key('ready'), 0, 0, 'WITHSCORES')
local pending = redis.call('ZRANGE', key('status', 'pending'), 0, 0, 'WITHSCORES')
return {
  tostring(NOW), redis.call('ZCARD', key('sessions')), redis.call('ZCOUNT', key('sessions'), NOW - ARGV[1], '+inf'),
  redis.call('ZCARD', key('ready')), ready[2] or '', pending[2] or '', statuses, redis.call('HGETALL', key('counts')),
  redis.call('HGETALL', key('costs', day_of(NOW), 'models')),
}
