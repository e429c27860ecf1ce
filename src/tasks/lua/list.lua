-- One page of tasks: running, waiting, pending, then ended; the latest change of status first in each.
-- A task that has moved into a group the caller has passed since the last page comes (again) at the head of the
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

local function oldest_above(status, place, count)
  local out = {}
  if of_session then
    for _, entry in ipairs(of_session[status] or {}) do
      if after(entry, place) then out[#out + 1] = entry end
    end
    table.sort(out, function(a, b) return after(b, a) end)
    return out
  end
  local offset = 0
  while #out < count do
    local flat = redis.call('ZRANGEBYSCORE', key('status', status), place[1], '+inf', 'WITHSCORES', 'LIMIT', offset, count)
    for i = 1, #flat, 2 do
      local entry = { number(flat[i + 1]), flat[i] }
      if after(entry, place) then out[#out + 1] = entry end
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
  if not values[1] then return end
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

-- What has moved into the groups already passed.
if start <= 3 then
  for group = 1, start - 1 do
    local status = GROUPS[group][1]
    if wants(status) then
      for _, entry in ipairs(oldest_above(status, cursor.seen[group], limit)) do
        if full() then break end
        take(entry[2])
        cursor.seen[group] = entry
      end
    end
  end
end

local done = true
for group = start, 4 do
  if group > start then cursor.place = nil end
  cursor.group = group
  local entries = {}
  local fetch = math.min(limit - found, budget - looked) + 1
  if fetch < 2 then fetch = 2 end
  for _, status in ipairs(GROUPS[group]) do
    if wants(status) then
      for _, entry in ipairs(newest_below(status, cursor.place, text == '' and fetch or budget + 1)) do entries[#entries + 1] = entry end
    end
  end
  table.sort(entries, after)
  if not cursor.seen[group] then cursor.seen[group] = entries[1] or { NOW, '' } end
  for _, entry in ipairs(entries) do
    if full() then
      done = false
      break
    end
    take(entry[2])
    cursor.place = entry
  end
  if not done then break end
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
