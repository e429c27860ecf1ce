-- Counts the tasks of each status, all at one moment. Changes nothing. (MULTI would do, but a full Redis refuses it.)
-- KEYS[1]: prefix
-- ARGV: statuses
-- Returns a count per status, in the order asked
local out = {}
for i = 1, #ARGV do out[i] = redis.call('ZCARD', key('status', ARGV[i])) end
return out
