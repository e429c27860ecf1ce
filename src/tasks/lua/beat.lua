-- A worker's heartbeat: renews its leases, tells it what became of its tasks, and looks after whatever is due.
-- KEYS[1]: prefix
-- ARGV: worker id, what it says of itself (JSON), seconds that stays, lease (ms), key prefix of the ticket jobs,
--       a random number 0–1 (a beat sent again carries the same), how many due tasks to look at, how long the next beat
--       takes when nothing is at work (ms), then task id, activation per lease held
-- Returns {ms until the next task is due or '', '1' when sessions wait for a keeper or '', number of tickets that
--          workers have taken, '1' when nothing is at work anywhere or '', number of leases, 'ok' | 'cancel' | 'lost' per lease, number of session ids to purge, session id …, ticket…}
local worker, lease, jobs, random, most = ARGV[1], number(ARGV[4]), ARGV[5], number(ARGV[6]), number(ARGV[7])
local quiet_wait = number(ARGV[8])
local tickets, purge, verdicts = {}, {}, {}
-- How long a task that lost its worker more than once runs beside no other such task, times its losses.
local ALONE_MIN, ALONE_MAX = 1000, 10000
-- Between the beats of a worker, and for how much longer it may be silent before that means that Redis was away.
local BEAT, SILENCE = 1000, 500
-- A worker that has not beaten for so long without having said that it leaves.
local WORKER_LOST = 10000
local sent = redis.call('HMGET', key('worker', worker), 'beat', 'gave')
local again = sent[1] == ARGV[6] and sent[2]

redis.call('ZADD', key('workers'), NOW, worker)
redis.call('HSET', key('worker', worker), 'info', ARGV[2], 'at', NOW)
redis.call('EXPIRE', key('worker', worker), ARGV[3])

-- Nobody could renew anything while Redis was away, so nobody is to lose a lease for it.
local last = number(redis.call('GET', key('last_beat')))
local expected = math.max(last + BEAT, number(redis.call('GET', key('quiet_until'))))
if last > 0 and NOW - expected > SILENCE then redis.call('SET', key('grace_until'), NOW + lease, 'PX', lease) end
-- The clock was set back: what is to come soon now lies far ahead and is brought near again, a part with each beat.
if last - NOW > BEAT + SILENCE then
  redis.call('DEL', key('grace_until'), key('quiet_until'))
  redis.call('ZUNIONSTORE', key('mend'), 2, key('due'), key('due:tickets'))
end
redis.call('SET', key('last_beat'), NOW)

for i = 9, #ARGV, 2 do
  local id, activation = ARGV[i], ARGV[i + 1]
  local now = redis.call('HMGET', key('task', id), 'status', 'activation', 'cancel')
  if now[1] == 'running' and now[2] == activation then
    redis.call('HSET', key('task', id), 'lease_until', NOW + lease)
    redis.call('ZADD', key('due'), NOW + lease, id)
    verdicts[#verdicts + 1] = now[3] and 'cancel' or 'ok'
  else
    verdicts[#verdicts + 1] = 'lost'
  end
end

local function lose(id, r)
  local losses = redis.call('HINCRBY', key('task', id), 'losses', 1)
  if losses >= MAX_LOSSES then
    end_failed(id, r, 'worker_lost', 'given up after ' .. losses .. ' workers in a row were lost while they ran it', 'error', tickets)
    return
  end
  redis.call('HSET', key('task', id), 'activation', '', 'lease_until', 0, 'resume_reason', 'worker_lost')
  set_status(id, r, 'pending')
  if losses >= SUSPECT_LOSSES then
    -- Which of the tasks lost together is the poisonous one? Parted from each other, only that one falls again.
    random = (random * 9301.7 + 0.2113) % 1
    local alone = math.floor((ALONE_MIN + random * (ALONE_MAX - ALONE_MIN)) * losses)
    redis.call('HSET', key('task', id), 'alone_until', NOW + alone)
  end
  make_runnable(id, r, tickets)
end

local function look_at(id)
  local session_id = string.match(id, '^session:(.*)$')
  if session_id then
    purge[#purge + 1] = session_id
    redis.call('ZADD', key('due'), NOW + 2000, id)
    return
  end
  local r = record(id)
  if not r or ended(r.status) then
    redis.call('ZREM', key('due'), id)
  elseif r.status == 'running' then
    local live_until = lease_of(r)
    if live_until > NOW then
      redis.call('ZADD', key('due'), live_until, id)
    elseif r.cancel then
      end_cancelled(id, r, tickets)
    elseif is_overdue(r) then
      end_timed_out(id, r, tickets)
    else
      lose(id, r)
    end
  elseif r.status == 'waiting' and is_overdue(r) then
    time_out_waiting(id, r, tickets)
  elseif is_overdue(r) then
    end_timed_out(id, r, tickets)
  elseif r.not_before and r.status == 'pending' then
    redis.call('HDEL', key('task', id), 'not_before')
    make_runnable(id, r, tickets)
  elseif r.status == 'pending' and not r.in_line and not r.parent_task_id then
    join_line(id, r, tickets)
  elseif r.deadline then
    redis.call('ZADD', key('due'), r.deadline, id)
  else
    redis.call('ZREM', key('due'), id)
  end
end

-- Nothing may lie further ahead than it can when it is set. (A schedule may: it names a time, not a length.)
local function bring_near(id)
  if string.match(id, '^session:') then return redis.call('ZADD', key('due'), NOW, id) end
  local r = record(id)
  if not r or ended(r.status) then return end
  local at
  if r.deadline then
    r.deadline = math.min(number(r.deadline), NOW + math.floor(number(r.timeout_s) * 1000))
    redis.call('HSET', key('task', id), 'deadline', r.deadline)
    at = r.deadline
  end
  if r.status == 'running' then
    at = math.min(number(r.lease_until), NOW + lease)
    redis.call('HSET', key('task', id), 'lease_until', at)
  elseif r.not_before then
    local back = math.min(number(r.not_before), NOW + 1000)
    redis.call('HSET', key('task', id), 'not_before', back)
    at = math.min(back, number(r.deadline))
  end
  if at then redis.call('ZADD', key('due'), at, id) end
  if r.alone_until then
    local alone = math.min(number(r.alone_until), NOW + ALONE_MAX * number(r.losses))
    redis.call('HSET', key('task', id), 'alone_until', alone)
  end
  local recheck = number(redis.call('ZSCORE', key('due:tickets'), id))
  if recheck > NOW + TICKET_RECHECK_MAX then redis.call('ZADD', key('due:tickets'), NOW + TICKET_RECHECK, id) end
end

local function look_at_due()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('due'), '-inf', NOW, 'LIMIT', 0, most)) do look_at(id) end
end

-- Tickets whose adding may have been lost between the script and the queue.
local function look_for_lost_tickets()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('due:tickets'), '-inf', NOW, 'LIMIT', 0, most * 5)) do
    local r = record(id)
    if not r or r.status ~= 'pending' or not r.ticket then
      redis.call('ZREM', key('due:tickets'), id)
      redis.call('ZREM', key('ready'), id)
    else
      local wait = TICKET_RECHECK
      if redis.call('EXISTS', jobs .. id .. '.' .. r.ticket) == 1 then
        local n = redis.call('HINCRBY', key('task', id), 'rechecks', 1)
        wait = math.min(TICKET_RECHECK * 2 ^ math.min(n, 10), TICKET_RECHECK_MAX)
      else
        ticket_of(id, r, tickets)
      end
      redis.call('ZADD', key('ready'), 'NX', NOW, id)
      redis.call('ZADD', key('due:tickets'), NOW + wait, id)
    end
  end
end

-- A release that does not know `ready` leaves tasks there that are not.
local function look_at_oldest_ready()
  local id = redis.call('ZRANGE', key('ready'), 0, 0)[1]
  if id and redis.call('HGET', key('task', id), 'status') ~= 'pending' then redis.call('ZREM', key('ready'), id) end
end

-- While Redis was away nobody could beat.
local function count_lost_workers()
  if redis.call('EXISTS', key('grace_until')) == 1 then return end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('workers'), '-inf', NOW - WORKER_LOST, 'LIMIT', 0, most)) do
    if number(redis.call('HGET', key('worker', id), 'next_at')) + NEXT_SLACK < NOW then
      redis.call('ZREM', key('workers'), id)
      count('workersLost')
    end
  end
end

if again then
  tickets, purge = unpack(cjson.decode(again))
else
  local far = redis.call('ZPOPMIN', key('mend'), most * 5)
  for i = 1, #far, 2 do bring_near(far[i]) end
  look_at_due()
  look_for_lost_tickets()
  look_at_oldest_ready()
  count_lost_workers()
  redis.call('HSET', key('worker', worker), 'beat', ARGV[6], 'gave', cjson.encode({ tickets, purge }))
end

local taken = redis.call('LLEN', jobs .. 'active')
local is_quiet = taken == 0 and redis.call('ZCARD', key('status', 'running')) == 0 and redis.call('ZCARD', key('ready')) == 0
local wait = is_quiet and quiet_wait or BEAT
redis.call('HSET', key('worker', worker), 'next_at', NOW + wait)
-- The next beat of this worker comes so much later, unless something ends the quiet.
if wait > BEAT then
  redis.call('SET', key('quiet_until'), NOW + quiet_wait, 'PX', quiet_wait + NEXT_SLACK)
end

local next_due = redis.call('ZRANGEBYSCORE', key('due'), '(' .. NOW, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
local kept_soonest = redis.call('ZRANGEBYSCORE', key('keep'), '-inf', NOW, 'LIMIT', 0, 1)[1]
local out = { next_due and tostring(next_due - NOW) or '', kept_soonest and '1' or '', tostring(taken),
  is_quiet and '1' or '', tostring(#verdicts) }
for i = 1, #verdicts do out[#out + 1] = verdicts[i] end
out[#out + 1] = tostring(#purge)
for i = 1, #purge do out[#out + 1] = purge[i] end
for i = 1, #tickets do out[#out + 1] = tickets[i] end
return out
