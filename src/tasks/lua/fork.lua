-- Copies the ended tasks of a session into a new one, a bounded part a call; nobody sees it before the last.
-- Called again with the same arguments until it answers something else than 'more'; called once more, it answers
-- the same. An abandoned copy is gone after a minute.
-- KEYS[1]: prefix
-- ARGV: source session id, new session id, idempotency key or '', hash of the request, seconds the answer is kept
-- Returns {'more'} | {'forked', title} | {'replayed', answer} | {'conflict'} | {'not_found'} | {'not_here'} (evicted)
local source, sid, idem, hash = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local ENTRIES, BYTES = 1000, 4 * 1024 * 1024
local from_log, session = key('session', source, 'log'), key('session', sid)
local copy, copy_log = key('fork', sid), key('fork', sid, 'log')

local known = redis.call('HMGET', session, 'forked_from', 'title')
if known[1] == source then return { 'forked', known[2] } end
if idem ~= '' then
  local stored = redis.call('HMGET', key('idem', idem), 'hash', 'answer')
  if stored[1] then
    if stored[1] == hash then return { 'replayed', stored[2] } end
    return { 'conflict' }
  end
end
local s = redis.call('HMGET', key('session', source), 'created_at', 'deleted', 'evicted', 'title', 'last_id', 'trimmed_to', 'forked_to')
if not s[1] or s[2] then return { 'not_found' } end
if s[3] then return { 'not_here' } end

local trimmed_to = s[6] or ''
local at = redis.call('HMGET', copy, 'from', 'to', 'trimmed_to', 'copied_to')
if not at[1] or at[3] ~= trimmed_to then
  -- The first call; or something was trimmed meanwhile, of which a part may have been copied.
  redis.call('UNLINK', copy, copy_log)
  at = { '0-0', s[5] or '0-0', trimmed_to, false }
end

local function later(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
  a_ms, a_seq, b_ms, b_seq = tonumber(a_ms), tonumber(a_seq), tonumber(b_ms), tonumber(b_seq)
  return a_ms > b_ms or (a_ms == b_ms and a_seq > b_seq)
end

-- Tasks that had ended when the copying began; what the source took over itself has no records.
local counts = {}
local function is_part(task, id)
  if s[7] and not later(id, s[7]) then return true end
  if counts[task] == nil then
    local end_id = redis.call('HGET', key('task', task), 'end_id')
    counts[task] = end_id ~= false and not later(end_id, at[2])
  end
  return counts[task]
end

local from, copied_to, done = at[1], at[4], false
while ENTRIES > 0 and BYTES > 0 and not done do
  local page = redis.call('XRANGE', from_log, '(' .. from, at[2], 'COUNT', 100)
  for _, entry in ipairs(page) do
    from = entry[1]
    local fields, task = entry[2], nil
    for i = 1, #fields, 2 do
      -- A child's events go with its parent.
      if fields[i] == 'parent' or (fields[i] == 'task' and not task) then task = fields[i + 1] end
      BYTES = BYTES - #fields[i + 1]
    end
    if is_part(task, from) then copied_to = redis.call('XADD', copy_log, '*', unpack(fields)) end
  end
  ENTRIES = ENTRIES - #page
  done = #page < 100
end

if not done then
  redis.call('HSET', copy, 'from', from, 'to', at[2], 'trimmed_to', at[3], 'copied_to', copied_to or '')
  redis.call('EXPIRE', copy, 60)
  redis.call('EXPIRE', copy_log, 60)
  return { 'more' }
end
local title = s[4] or ''
redis.call('HSET', session, 'title', title, 'created_at', NOW, 'updated_at', NOW, 'forked_from', source)
if copied_to and copied_to ~= '' then
  redis.call('RENAME', copy_log, key('session', sid, 'log'))
  redis.call('PERSIST', key('session', sid, 'log'))
  redis.call('HSET', session, 'last_id', copied_to, 'forked_to', copied_to)
end
redis.call('UNLINK', copy)
redis.call('ZADD', key('sessions'), NOW, sid)
look_after(sid)
if idem ~= '' then
  local answer = cjson.encode({ session_id = sid, forked_from = source, title = title })
  redis.call('HSET', key('idem', idem), 'hash', hash, 'answer', answer)
  redis.call('EXPIRE', key('idem', idem), ARGV[5])
end
return { 'forked', title }
