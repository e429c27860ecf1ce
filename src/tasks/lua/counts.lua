-- Counts what the fleet's metrics tell, once each, in the script that does it. Put after base.lua in front of every
-- script, behind `BUCKETS` (made from the table of metrics). The hash `counts` has a field per counter and its labels,
-- `duration completed le 2500` and `duration completed sum` for histograms (ms, not cumulative), and `since`: when it
-- began, by which a reader tells an emptied Redis from one set back.

-- False: what happens belongs to tasks that were counted before, elsewhere.
local COUNTING = true

local function count(name, by)
  by = by or 1
  if COUNTING and redis.call('HINCRBY', key('counts'), name, by) == by then
    redis.call('HSETNX', key('counts'), 'since', NOW)
  end
end

-- One value of a histogram. `labels`: '' or ' ' and the values.
local function observe(metric, labels, value)
  value = math.max(0, value)
  local bound = '+Inf'
  for _, upper in ipairs(BUCKETS[metric]) do
    if value <= upper then
      bound = upper
      break
    end
  end
  count(metric .. labels .. ' le ' .. bound)
  count(metric .. labels .. ' sum', value)
end

local function kind_of(r)
  return r.parent_task_id and 'subtask' or 'task'
end

local function count_end(r, status, stop_reason)
  count('finished ' .. kind_of(r) .. ' ' .. status .. ' ' .. stop_reason)
  if r.started_at then
    observe('duration', ' ' .. status, NOW - r.started_at)
    observe('iterations', '', number(r.iteration))
  end
  if status == 'cancelled' and r.cancel_at then observe('cancelLatency', '', NOW - r.cancel_at) end
end

-- An activation has taken the task.
local function count_begin(id, r)
  if r.started_at then count('resumed ' .. (r.resume_reason or 'worker_lost')) else count('started') end
  local ready_at = redis.call('ZSCORE', key('ready'), id)
  if ready_at then observe('queueWait', '', NOW - ready_at) end
end
