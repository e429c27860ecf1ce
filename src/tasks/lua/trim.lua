-- Drops the oldest ended tasks of a session whose log has grown too long or that ended too long ago: their entries,
-- then their records. The newest task stays however long the log is, and nothing goes by age from an idle session:
-- that one is evicted whole. A bounded part a call; called until 'done'.
-- KEYS[1]: prefix
-- ARGV: session id, entries a log may have, retention (ms), how many of the oldest tasks were left standing so far
-- Returns {'more' | 'done', how many of the oldest tasks were left standing}
local sid, most, retention, standing = ARGV[1], number(ARGV[2]), number(ARGV[3]), number(ARGV[4])
local TASKS, ENTRIES, BYTES = 100, 2000, 4 * 1024 * 1024
local session, log, tasks = key('session', sid), key('session', sid, 'log'), key('session', sid, 'tasks')
local s = redis.call('HMGET', session, 'created_at', 'deleted', 'evicted', 'updated_at', 'restored_at', 'forked_to', 'trimmed_to')
if not s[1] or s[2] or s[3] then return { 'done', '0' } end
local restored, trimmed_to = number(s[5]), s[7] or '0-0'
local idle = NOW - math.max(number(s[4]), restored) >= retention

local function too_long() return redis.call('XLEN', log) > most end
local function too_old(at) return not idle and NOW - math.max(number(at), restored) >= retention end

local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function trimmed(id)
  local ms, seq = parts(id)
  local known_ms, known_seq = parts(trimmed_to)
  if ms < known_ms or (ms == known_ms and seq <= known_seq) then return end
  trimmed_to = id
  redis.call('HSET', session, 'trimmed_to', id)
end

-- What a fork took over is one block.
if s[6] and (too_long() or too_old(s[1])) then
  local ms, seq = string.match(s[6], '^(%d+)-(%d+)$')
  redis.call('XTRIM', log, 'MINID', '=', ms .. '-' .. string.format('%.0f', seq + 1))
  trimmed(s[6])
  redis.call('HDEL', session, 'forked_to')
end

-- Entries of other tasks stand between. Returns whether all of them are gone.
local function drop_entries(id, from, to)
  while ENTRIES > 0 and BYTES > 0 do
    local page = redis.call('XRANGE', log, '(' .. from, to, 'COUNT', 100)
    if #page == 0 then return true end
    local mine = {}
    for _, entry in ipairs(page) do
      from = entry[1]
      local fields = entry[2]
      for i = 1, #fields, 2 do
        if fields[i] == 'task' and fields[i + 1] == id then mine[#mine + 1] = from end
        BYTES = BYTES - #fields[i + 1]
      end
    end
    ENTRIES = ENTRIES - #page
    if #mine > 0 then
      redis.call('XDEL', log, unpack(mine))
      trimmed(mine[#mine])
    end
    redis.call('HSET', key('task', id), 'trim_from', from)
  end
  return false
end

-- Children stand right behind their parent, and go with it.
local newest = redis.call('ZRANGE', tasks, -1, -1)[1]
newest = newest and redis.call('HGET', key('task', newest), 'parent_task_id') or newest
local ids = redis.call('ZRANGE', tasks, standing, standing + TASKS - 1)
for _, id in ipairs(ids) do
  local r = redis.call('HMGET', key('task', id), 'status', 'ended_at', 'log_from', 'end_id', 'trim_from', 'parent_task_id')
  local has_parent = r[6] and redis.call('EXISTS', key('task', r[6])) == 1
  if not r[1] then
    redis.call('ZREM', tasks, id)
  elseif not ended(r[1]) or has_parent then
    standing = standing + 1
  elseif r[5] or r[6] or too_old(r[2]) or (too_long() and id ~= newest) then
    if not drop_entries(id, r[5] or r[3], r[4]) then return { 'more', tostring(standing) } end
    redis.call('ZREM', key('status', r[1]), id)
    redis.call('ZREM', tasks, id)
    redis.call('DEL', key('task', id))
  elseif too_long() then
    standing = standing + 1
  else
    return { 'done', tostring(standing) }
  end
end
return { #ids == TASKS and 'more' or 'done', tostring(standing) }
