-- Makes a stub of a session that only its mirror knows of, as if it had been evicted.
-- KEYS[1]: prefix
-- ARGV: session id, session fields (JSON object of strings), when it was last used (ms), ms until somebody looks after it
-- Returns 'imported' | 'known' (there is such a session, maybe one being deleted)
local sid = ARGV[1]
local session = key('session', sid)
if redis.call('EXISTS', session) == 1 then return 'known' end
for name, value in pairs(cjson.decode(ARGV[2])) do redis.call('HSET', session, name, value) end
redis.call('HSET', session, 'evicted', NOW, 'updated_at', ARGV[3])
redis.call('ZADD', key('sessions'), ARGV[3], sid)
redis.call('ZADD', key('keep'), NOW + ARGV[4], sid)
return 'imported'
