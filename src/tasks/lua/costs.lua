-- Counts what model calls use: in the task's record, the session's hash by model, and the UTC day's hashes.
-- Put after lib.lua in front of every script.
-- How long a day is kept, counted from its end.
local COST_DAYS = 400
local DAY = 86400000

-- '2026-11-24' of a time in ms.
local function day_of(ms)
  local days = math.floor(ms / DAY) + 719468
  local era = math.floor(days / 146097)
  local of_era = days - era * 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local month = math.floor((5 * of_year + 2) / 153)
  local day = of_year - math.floor((153 * month + 2) / 5) + 1
  year = year + era * 400
  month = month + 3
  if month > 12 then
    month = month - 12
    year = year + 1
  end
  return string.format('%04d-%02d-%02d', year, month, day)
end

-- `entries`: {model, call or nil, add = {metric = whole number}} per outcome of a call. One with a `call` is over.
local function count_usage(id, r, entries)
  local day = day_of(NOW)
  local keep_until = string.format('%.0f', (math.floor(NOW / DAY) + 1 + COST_DAYS) * DAY)
  local task, session = key('task', id), key('session', r.session_id)
  local of_day, models_of_day = key('costs', day), key('costs', day, 'models')
  for _, entry in ipairs(entries) do
    for metric, by in pairs(entry.add) do
      redis.call('HINCRBY', task, metric, by)
      redis.call('HINCRBY', session, 'used:' .. metric .. ':' .. entry.model, by)
      redis.call('HINCRBY', of_day, r.session_id .. ' ' .. metric .. ' ' .. entry.model, by)
      redis.call('HINCRBY', models_of_day, metric .. ' ' .. entry.model, by)
    end
    if entry.call then redis.call('HDEL', task, 'open:' .. entry.call) end
  end
  if #entries > 0 then
    redis.call('PEXPIREAT', of_day, keep_until)
    redis.call('PEXPIREAT', models_of_day, keep_until)
  end
end

-- A task that ends with nobody to say what became of a call it had started: what the call was given counts.
function close_calls(id, r)
  local open = {}
  for name in pairs(r) do
    if string.sub(name, 1, 5) == 'open:' then open[#open + 1] = name end
  end
  table.sort(open)
  for _, name in ipairs(open) do
    local call = cjson.decode(r[name])
    local add = { estimated_calls = 1, estimated_tokens = call.tokens }
    if call.nano then add.estimated_nano = call.nano else add.unpriced_calls = 1 end
    local seq = number(r.seq) + 1
    r.seq = tostring(seq)
    log_event(id, r, seq, 'model_call_end', cjson.encode({
      call = string.sub(name, 6), iteration = call.iteration, model = call.model, outcome = 'lost',
      estimated_usage = { input_tokens = call.tokens, output_tokens = 0, cached_tokens = 0 },
      estimated_cost_usd = call.nano and call.nano / 1e9,
    }))
    count_usage(id, r, { { model = call.model, call = string.sub(name, 6), add = add } })
  end
end
