-- One page of tasks: running, waiting, pending, then ended; the latest change of status first in each.
-- A task that has moved since the last page to where the caller has been already comes (again) at the head of the
-- next one, so none is skipped. Changes nothing.
-- KEYS[1]: prefix
-- ARGV: most tasks, cursor (JSON or ''), statuses (comma separated, '' = all), session id or '', text or '' (lower case),
--       most records to look at
-- Returns {next cursor (JSON) or '', total or '' when a text is asked for, fields (flat list of name, value) per task …}
local limit, cursor_text, wanted, session_id, text, budget =
  number(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5], number(ARGV[6])
local GROUPS = { { 'running' }, { 'waiting' }, { 'pending' }, { 'completed', 'failed', 'cancelled' } }
local FIELDS = {
  'id', 'session_id', 'parent_task_id', 'head', 'status', 'message', 'agent_preset', 'tool_preset', 'model', 'priority',
  'created_at', 'run_at', 'started_at', 'ended_at', 'cancel_at', 'attempt', 'worker', 'iteration', 'max_iterations',
  'stop_reason', 'error', 'input_tokens', 'output_tokens', 'cached_tokens', 'model_calls', 'tool_calls', 'metadata', 'timeout_s',
  'cost_nano', 'unpriced_calls', 'estimated_calls', 'estimated_tokens', 'estimated_nano', 'max_total_tokens', 'max_cost_usd',
}
local want = {}
for status in string.gmatch(wanted, '[^,]+') do want[status] = true end
local function wants(status) return wanted == '' or want[status] == true end

-- A source gives {score, id} of one status, newest first below a place, or oldest first above one.
local of_session
if session_id ~= '' then
  of_session = {}
  for _, id in ipairs(redis.call('ZRANGE', key('session', session_id, 'tasks'), 0, -1)) do
    local at = redis.call('HMGET', key('task', id), 'status', 'status_at')
    if at[1] then
      of_session[at[1]] = of_session[at[1]] or {}
      table.insert(of_session[at[1]], { number(at[2]), id })
    end
  end
end
local function after(a, b) return a[1] > b[1] or (a[1] == b[1] and a[2] > b[2]) end

-- How far up a group has been seen: {score, id}, or {score, ' id id … '} when that millisecond was not over and
-- others may still have come into it, in any order of their ids.
local function above(entry, seen)
  if entry[1] ~= seen[1] then return entry[1] > seen[1] end
  if string.sub(seen[2], 1, 1) == ' ' then return not string.find(seen[2], ' ' .. entry[2] .. ' ', 1, true) end
  return entry[2] > seen[2]
end
local function seen_with(seen, entry)
  if entry[1] < NOW then return entry end
  local ids = seen and seen[1] == entry[1] and seen[2] or ' '
  return { entry[1], ids .. entry[2] .. ' ' }
end

local function newest_below(status, place, count)
  local out = {}
  if of_session then
    for _, entry in ipairs(of_session[status] or {}) do
      if not place or after(place, entry) then out[#out + 1] = entry end
    end
    table.sort(out, after)
    return out
  end
  local offset = 0
  while #out < count do
    local flat = redis.call('ZREVRANGEBYSCORE', key('status', status), place and place[1] or '+inf', '-inf', 'WITHSCORES', 'LIMIT', offset, count)
    for i = 1, #flat, 2 do
      local entry = { number(flat[i + 1]), flat[i] }
      if not place or after(place, entry) then out[#out + 1] = entry end
    end
    if #flat < count * 2 then break end
    offset = offset + count
  end
  return out
end

local function oldest_above(status, seen, count)
  local out = {}
  if of_session then
    for _, entry in ipairs(of_session[status] or {}) do
      if above(entry, seen) then out[#out + 1] = entry end
    end
    table.sort(out, function(a, b) return after(b, a) end)
    return out
  end
  local offset = 0
  while #out < count do
    local flat = redis.call('ZRANGEBYSCORE', key('status', status), seen[1], '+inf', 'WITHSCORES', 'LIMIT', offset, count)
    for i = 1, #flat, 2 do
      local entry = { number(flat[i + 1]), flat[i] }
      if above(entry, seen) then out[#out + 1] = entry end
    end
    if #flat < count * 2 then break end
    offset = offset + count
  end
  return out
end

local out = { '', '' }
local looked, found = 0, 0
local function take(id)
  looked = looked + 1
  if text ~= '' then
    local head = redis.call('HGET', key('task', id), 'head')
    if not head then return end
    if not string.find(string.lower(head), text, 1, true) and not string.find(id, text, 1, true) then return end
  end
  local values = redis.call('HMGET', key('task', id), unpack(FIELDS))
  if not values[1] or redis.call('HGET', key('session', values[2]), 'deleted') then return end
  local flat = {}
  for i, name in ipairs(FIELDS) do
    if values[i] then
      flat[#flat + 1] = name
      flat[#flat + 1] = values[i]
    end
  end
  out[#out + 1] = flat
  found = found + 1
end
local function full() return found >= limit or looked >= budget end

local cursor = cursor_text ~= '' and cjson.decode(cursor_text) or { group = 1, seen = {} }
local start = cursor.group

-- What has moved above the places already seen. The ended groups take no part: what moves there comes last anyway,
-- and nothing leaves them.
if start <= 3 then
  for group = 1, start do
    local status = GROUPS[group][1]
    while cursor.seen[group] and wants(status) and not full() do
      local count = budget - looked
      if text == '' then count = math.min(limit - found, count) end
      local last
      for _, entry in ipairs(oldest_above(status, cursor.seen[group], count)) do
        if full() then break end
        take(entry[2])
        last = entry
        cursor.seen[group] = seen_with(cursor.seen[group], entry)
      end
      if not last then break end
    end
  end
end

-- What is there when a group is first looked at is not above; it is listed from here on.
local function first_seen(status, newest)
  if newest and newest[1] < NOW then return newest end
  local seen = { NOW, ' ' }
  for _, entry in ipairs(oldest_above(status, seen, 1000)) do seen = seen_with(seen, entry) end
  return seen
end

-- The rest of the group the caller is in, and the groups after it. A page that is full already goes no further:
-- more may have moved.
local done = not full()
for group = start, 4 do
  if not done then break end
  if group > start then cursor.place = nil end
  cursor.group = group
  repeat
    local entries = {}
    local count = math.max(2, budget - looked + 1)
    if text == '' then count = math.max(2, math.min(limit - found + 1, count)) end
    for _, status in ipairs(GROUPS[group]) do
      if wants(status) then
        for _, entry in ipairs(newest_below(status, cursor.place, count)) do entries[#entries + 1] = entry end
      end
    end
    table.sort(entries, after)
    if not cursor.seen[group] then cursor.seen[group] = first_seen(GROUPS[group][1], entries[1]) end
    for i = 1, math.min(#entries, count) do
      if full() then
        done = false
        break
      end
      take(entries[i][2])
      cursor.place = entries[i]
    end
  until not done or #entries == 0
end
if not done then out[1] = cjson.encode(cursor) end

if text == '' then
  local total = 0
  for _, group in ipairs(GROUPS) do
    for _, status in ipairs(group) do
      if wants(status) then
        if of_session then total = total + #(of_session[status] or {}) else total = total + redis.call('ZCARD', key('status', status)) end
      end
    end
  end
  out[2] = tostring(total)
end
return out
