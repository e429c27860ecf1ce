-- How tasks go from one state to the next. Put after base.lua and counts.lua in front of every script.

-- The last id of each session's log that this script has written to.
local last_ids = {}

-- Appends one event of task `id` (record `r`) to its session's log and publishes it. Returns its log id.
local function log_event(id, r, seq, event_type, data)
  local session = key('session', r.session_id)
  local previous = last_ids[r.session_id]
  if not previous then
    local known = redis.call('HMGET', session, 'last_id', 'deleted')
    previous = known[1] or '0-0'
    redis.call('HSET', session, 'updated_at', NOW)
    if not known[2] then redis.call('ZADD', key('sessions'), NOW, r.session_id) end
  end
  local entry = { 'v', VERSION, 'task', id, 'seq', seq, 'at', NOW, 'type', event_type, 'data', data }
  if r.parent_task_id then
    entry[#entry + 1] = 'parent'
    entry[#entry + 1] = r.parent_task_id
  end
  local event_id = redis.call('XADD', key('session', r.session_id, 'log'), '*', unpack(entry))
  redis.call('HSET', session, 'last_id', event_id)
  last_ids[r.session_id] = event_id
  local message = {
    prev = previous, id = event_id, task = id, seq = seq, at = NOW, type = event_type, parent = r.parent_task_id,
  }
  if #data <= PUBLISH_MAX then message.data = data end
  redis.call('PUBLISH', key('events', r.session_id), cjson.encode(message))
  return event_id
end

local function set_status(id, r, status)
  redis.call('ZREM', key('status', r.status), id)
  redis.call('ZADD', key('status', status), NOW, id)
  redis.call('HSET', key('task', id), 'status', status, 'status_at', NOW)
  r.status = status
end

local function ticket_of(id, r, tickets)
  local priority = 1
  if number(r.attempt) == 0 and not r.parent_task_id then priority = number(r.priority) + 2 end
  tickets[#tickets + 1] = id
  tickets[#tickets + 1] = r.ticket
  tickets[#tickets + 1] = tostring(priority)
end

-- Something is to be done then. Workers that would not beat before, because nothing was, are told to beat now.
local function end_quiet(at)
  if number(redis.call('GET', key('quiet_until'))) <= at then return end
  redis.call('SET', key('quiet_until'), NOW, 'PX', NEXT_SLACK)
  redis.call('PUBLISH', key('control'), '{"beat":true}')
end

-- The session waits for a keeper.
local function look_after(session_id)
  redis.call('ZADD', key('keep'), NOW, session_id)
  end_quiet(NOW)
end

-- A pending task that may run now gets its next ticket. A ticket that gets lost is found through `due:tickets`.
local function make_runnable(id, r, tickets)
  r.ticket = tostring(redis.call('HINCRBY', key('task', id), 'ticket', 1))
  redis.call('HSET', key('task', id), 'rechecks', 0)
  redis.call('ZADD', key('due:tickets'), NOW + TICKET_RECHECK, id)
  redis.call('ZADD', key('ready'), NOW, id)
  if r.deadline then
    redis.call('ZADD', key('due'), r.deadline, id)
  else
    redis.call('ZREM', key('due'), id)
  end
  ticket_of(id, r, tickets)
end

-- Gives a ticket that was given before again, while it is still good (adding it twice is harmless).
local function ticket_again(id, r, tickets)
  if r.status == 'pending' and r.ticket and not r.not_before then ticket_of(id, r, tickets) end
end

local function head_of_line(session_id)
  return redis.call('ZRANGE', key('session', session_id, 'line'), 0, 0)[1]
end

-- The task joins its session's line; at its head it becomes runnable. Returns its position, 1 = head.
local function join_line(id, r, tickets)
  local line = key('session', r.session_id, 'line')
  local turn = redis.call('HINCRBY', key('session', r.session_id), 'turns', 1)
  redis.call('ZADD', line, turn, id)
  redis.call('HSET', key('task', id), 'in_line', 1)
  if head_of_line(r.session_id) == id then make_runnable(id, r, tickets) else redis.call('ZREM', key('due'), id) end
  return redis.call('ZRANK', line, id) + 1
end

local function is_at_work(r)
  return r.status == 'running' and lease_of(r) > NOW
end

local function is_overdue(r)
  return r.deadline ~= nil and number(r.deadline) <= NOW
end

-- The children that a task waits for, in order, as {id, record}; those that have ended are left out.
local function open_children(r)
  local open = {}
  for id in string.gmatch(r.children or '', '%S+') do
    local child = record(id)
    if child and not ended(child.status) then open[#open + 1] = { id, child } end
  end
  return open
end

-- As many of a waiting task's children as may run at a time get a ticket, the first ones first. Its time is theirs.
local function start_children(r, tickets)
  local open, free = open_children(r), number(r.child_limit)
  for _, child in ipairs(open) do
    if child[2].ticket then free = free - 1 end
  end
  for _, child in ipairs(open) do
    if free > 0 and not child[2].ticket then
      free = free - 1
      child[2].deadline = r.deadline
      redis.call('HSET', key('task', child[1]), 'deadline', r.deadline)
      make_runnable(child[1], child[2], tickets)
    end
  end
end

local end_cancelled, end_timed_out, close_calls -- the last one: costs.lua

-- A child has ended: the next one runs. After the last the parent goes on, or ends when it was only waited for that.
local function go_on_without(parent_id, tickets)
  local r = record(parent_id)
  if not r or r.status ~= 'waiting' then return end
  if #open_children(r) > 0 then
    if not r.cancel and not is_overdue(r) then start_children(r, tickets) end
  elseif r.cancel then
    end_cancelled(parent_id, r, tickets)
  elseif is_overdue(r) then
    end_timed_out(parent_id, r, tickets)
  else
    redis.call('HSET', key('task', parent_id), 'resume_reason', 'woken')
    set_status(parent_id, r, 'pending')
    make_runnable(parent_id, r, tickets)
  end
end

-- The next of a session's line becomes runnable.
local function start_next(session_id, tickets)
  local next_id = head_of_line(session_id)
  local r = next_id and record(next_id)
  if r and r.status == 'pending' then make_runnable(next_id, r, tickets) end
end

-- The one way a task ends. `fields` are written to the record. Whoever waited for it goes on: the next of the
-- session's line, or its parent.
local function end_task(id, r, status, event_type, data, fields, tickets)
  close_calls(id, r)
  local seq = number(r.seq) + 1
  fields.end_id = log_event(id, r, seq, event_type, data)
  fields.seq = seq
  fields.ended_at = NOW
  fields.lease_until = 0
  set_fields(key('task', id), fields)
  set_status(id, r, status)
  redis.call('ZREM', key('due'), id)
  redis.call('ZREM', key('due:tickets'), id)
  redis.call('ZREM', key('ready'), id)
  count_end(r, status, fields.stop_reason or r.stop_reason or 'error')
  local session_id = r.session_id
  local was_head = head_of_line(session_id) == id
  redis.call('ZREM', key('session', session_id, 'line'), id)
  local given = #tickets
  if r.parent_task_id then go_on_without(r.parent_task_id, tickets) end
  if redis.call('HGET', key('session', session_id), 'deleted') then
    redis.call('ZADD', key('due'), NOW, 'session:' .. session_id)
  else
    look_after(session_id)
    if was_head then start_next(session_id, tickets) end
  end
  local woke = {}
  for i = given + 1, #tickets, 3 do woke[#woke + 1] = tickets[i] end
  if #woke > 0 then redis.call('HSET', key('task', id), 'woke', table.concat(woke, ' ')) end
end

-- The tickets that the end of this task gave out, for a caller who asks for that end again.
local function woke_again(r, tickets)
  for id in string.gmatch(r.woke or '', '%S+') do
    local woken = record(id)
    if woken then ticket_again(id, woken, tickets) end
  end
end

local function totals(r)
  local started = number(r.started_at)
  return {
    total_iterations = number(r.iteration),
    total_tokens = number(r.input_tokens) + number(r.output_tokens),
    cost_usd = r.cost_nano and number(r.cost_nano) / 1e9,
    duration = started > 0 and math.max(0, NOW - started) or 0,
  }
end

function end_cancelled(id, r, tickets)
  local data = totals(r)
  data.reason = r.cancel
  data.requested_by = r.cancel_by
  end_task(id, r, 'cancelled', 'task_cancelled', cjson.encode(data), {
    stop_reason = 'cancelled', message = r.cancel,
  }, tickets)
end

-- The task's latest answer with text in it, looked for in the last entries of its session; nil when there is none.
local function last_text(id, r)
  local before = '+'
  for _ = 1, 10 do
    local entries = redis.call('XREVRANGE', key('session', r.session_id, 'log'), before, '(' .. (r.log_from or '0-0'), 'COUNT', 50)
    for _, entry in ipairs(entries) do
      local e = {}
      for i = 1, #entry[2], 2 do e[entry[2][i]] = entry[2][i + 1] end
      if e.task == id and e.type == 'think_complete' then
        local content = cjson.decode(e.data).content
        if string.find(content, '%S') then return content end
      end
      before = '(' .. entry[1]
    end
    if #entries < 50 then return nil end
  end
end

-- Nobody is at work on it who could say how far it came: the best answer there is comes from the log.
local function end_failed(id, r, code, message, stop_reason, tickets)
  local data = totals(r)
  data.error = { code = code, message = message }
  data.stop_reason = stop_reason
  data.partial_answer = last_text(id, r)
  end_task(id, r, 'failed', 'task_failed', cjson.encode(data), {
    stop_reason = stop_reason, message = message, error = cjson.encode(data.error), answer = data.partial_answer,
  }, tickets)
end

function end_timed_out(id, r, tickets)
  end_failed(id, r, 'timeout', 'the time allowed for this task was used up', 'timeout', tickets)
end

-- Children at work let go by themselves; the last one's end ends the task, so that none does anything after it.
local function time_out_waiting(id, r, tickets)
  redis.call('ZREM', key('due'), id)
  for _, child in ipairs(open_children(r)) do
    local end_child = child[2].cancel and end_cancelled or end_timed_out
    if not is_at_work(child[2]) then end_child(child[1], child[2], tickets) end
  end
end

-- Marks a task as to be cancelled. Returns 'cancelled' (ended here and now, or before), 'flagged' or 'ended'.
local function cancel_task(id, r, reason, by, tickets)
  if r.status == 'cancelled' then
    woke_again(r, tickets)
    return 'cancelled'
  end
  if ended(r.status) then return 'ended' end
  if not r.cancel then
    r.cancel, r.cancel_by, r.cancel_at = reason, by, NOW
    redis.call('HSET', key('task', id), 'cancel', reason, 'cancel_by', by, 'cancel_at', NOW)
    count('cancels')
  end
  if is_at_work(r) then
    redis.call('PUBLISH', key('control'), cjson.encode({ cancel = id }))
    return 'flagged'
  end
  if r.status == 'waiting' then
    -- The end of the last child is the end of the task.
    for _, child in ipairs(open_children(r)) do cancel_task(child[1], child[2], reason, by, tickets) end
    r.status = redis.call('HGET', key('task', id), 'status')
    return r.status == 'waiting' and 'flagged' or 'cancelled'
  end
  end_cancelled(id, r, tickets)
  return 'cancelled'
end

-- What a mirror of the session (its hash's last_id and trimmed_to) is a mirror of.
local function mirror_state(last_id, trimmed_to)
  return (last_id or '0-0') .. ' ' .. (trimmed_to or '')
end

local function reply(verdict, tickets)
  local out = { verdict }
  for i = 1, #tickets do out[#out + 1] = tickets[i] end
  return out
end
