-- Gives a task to an activation, if the ticket is its current one and nobody holds it.
-- KEYS[1]: prefix
-- ARGV: task id, ticket number, activation, worker id, lease (ms)
-- Returns {'started' | 'resumed', now (ms), record fields as name, value …}
--       | {'held' | 'stale' | 'ended' | 'cancelled' | 'gone', ticket…}
local id, ticket, activation, worker, lease = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local tickets = {}
-- After so long a task that found another suspect on the worker looks for one without.
local APART_MS = 500

-- Whether the worker is at work on another task under suspicion; if not, this one is remembered as such.
local function beside_a_suspect(r)
  local here = key('worker', worker)
  local other = redis.call('HGET', here, 'suspect')
  if other and other ~= id and NOW < number(r.alone_until) then
    local o = redis.call('HMGET', key('task', other), 'status', 'worker', 'losses')
    if o[1] == 'running' and o[2] == worker and number(o[3]) >= SUSPECT_LOSSES then return true end
  end
  redis.call('HSET', here, 'suspect', id)
  -- Before its first beat nothing else would ever remove it.
  if redis.call('TTL', here) < 0 then redis.call('EXPIRE', here, 60) end
  return false
end

local r = record(id)
if not r then return { 'gone' } end
if r.status == 'cancelled' then return { 'cancelled' } end
if ended(r.status) then
  woke_again(r, tickets)
  return reply('ended', tickets)
end
-- Only a newer release knows how to go on with what a newer one began. Its ticket is given out again until one comes.
if number(r.v) > number(VERSION) then return { 'stale' } end
if r.status == 'running' and r.activation ~= activation then return { 'held' } end
if r.status ~= 'running' then
  if r.status ~= 'pending' or r.ticket ~= ticket or r.not_before then return { 'stale' } end
  if is_overdue(r) then
    end_timed_out(id, r, tickets)
    return reply('ended', tickets)
  end
  if number(r.losses) >= SUSPECT_LOSSES and beside_a_suspect(r) then
    redis.call('HINCRBY', key('task', id), 'ticket', 1)
    redis.call('HSET', key('task', id), 'not_before', NOW + APART_MS)
    redis.call('ZADD', key('due'), math.min(NOW + APART_MS, number(r.deadline)), id)
    redis.call('ZREM', key('due:tickets'), id)
    redis.call('ZREM', key('ready'), id)
    return { 'stale' }
  end
  local until_ms = NOW + lease
  count_begin(id, r)
  redis.call('HINCRBY', key('task', id), 'attempt', 1)
  redis.call('HSET', key('task', id), 'v', VERSION, 'activation', activation, 'worker', worker, 'lease_until', until_ms)
  if not r.started_at then
    -- A child's time is its parent's.
    local deadline = r.deadline or NOW + math.floor(number(r.timeout_s) * 1000)
    redis.call('HSET', key('task', id), 'started_at', NOW, 'deadline', deadline)
  end
  if r.parent_task_id then
    -- No child may do more than its parent, whatever its record says.
    local preset = redis.call('HGET', key('task', r.parent_task_id), 'tool_preset')
    if preset then redis.call('HSET', key('task', id), 'tool_preset', preset) end
  end
  set_status(id, r, 'running')
  end_quiet(NOW)
  redis.call('ZADD', key('due'), until_ms, id)
  redis.call('ZREM', key('due:tickets'), id)
  redis.call('ZREM', key('ready'), id)
end
local flat = redis.call('HGETALL', key('task', id))
local out = { number(redis.call('HGET', key('task', id), 'attempt')) > 1 and 'resumed' or 'started', tostring(NOW) }
for i = 1, #flat do out[#out + 1] = flat[i] end
return out
