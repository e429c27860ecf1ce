local P = KEYS[1] -- the prefix. This is shared vocabulary, put first in front of every script.
-- Of log entries and records. A release reads its own and the one before. It grows with a type of entry that the
-- release before does not know: its workers then leave tasks with such entries to newer ones (begin.lua).
-- 2: `model_call_start`, `model_call_end`, `context_compression`.
local VERSION = '2'
local TICKET_RECHECK = 2000
local TICKET_RECHECK_MAX = 300000
local MAX_LOSSES = 5
-- From so many losses in a row on a task runs beside no other such task of the worker, for a while.
local SUSPECT_LOSSES = 2
-- How much later than announced a worker may beat without counting as gone.
local NEXT_SLACK = 2000
local PUBLISH_MAX = 65536

local clock = redis.call('TIME')
local NOW = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function key(a, b, c)
  local name = P .. ':' .. a
  if b then name = name .. ':' .. b end
  if c then name = name .. ':' .. c end
  return name
end

local function record(id)
  local flat = redis.call('HGETALL', key('task', id))
  if #flat == 0 then return nil end
  local r = {}
  for i = 1, #flat, 2 do r[flat[i]] = flat[i + 1] end
  return r
end

-- Sets all fields of the table with one command.
local function set_fields(name, fields)
  local flat = {}
  for field, value in pairs(fields) do
    flat[#flat + 1] = field
    flat[#flat + 1] = value
  end
  if #flat > 0 then redis.call('HSET', name, unpack(flat)) end
end

local function ended(status)
  return status == 'completed' or status == 'failed' or status == 'cancelled'
end

local function number(value)
  return tonumber(value or '') or 0
end

-- A lease counts as live for one more length after an outage in which nobody could renew it.
local function lease_of(r)
  return math.max(number(r.lease_until), number(redis.call('GET', key('grace_until'))))
end
