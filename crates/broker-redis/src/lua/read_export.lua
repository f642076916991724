-- A part of everything a shard holds, as it lies there.
-- KEYS: P m. ARGV: clock; what (task, unique, idem, lane, queue); cursor of the scan; how many about; for idem how many days back.
-- Returns {the next cursor, 0 at the end, then} of each task: key and what `tell` appends; of all else: name and value, and of a
-- lane its text behind them.
local what, cursor, count = ARGV[2], ARGV[3], ARGV[4]
local NAMES = {task = 't', unique = 'u', idem = 'idem:' .. floor(now / 86400000) - (tonumber(ARGV[5]) or 0), lane = 'ln', queue = 'qp'}
local part = call('HSCAN', P .. NAMES[what], cursor, 'COUNT', count)
local found = part[2]
local out = {part[1]}
if what == 'task' then
  local keys = {}
  for i = 1, #found, 2 do keys[#keys + 1] = found[i] end
  local runs = #keys > 0 and hmget(P .. 'run', keys) or {}
  for i = 1, #keys do
    out[#out + 1] = keys[i]
    tell(out, keys[i], found[2 * i], runs[i], true)
  end
else
  for i = 1, #found, 2 do
    local n = #out
    out[n + 1], out[n + 2] = found[i], found[i + 1]
    -- Queue by its name, lane by its text.
    if what == 'lane' then out[n + 1] = call('HGET', P .. 'li', found[i]) or '' end
    if what == 'queue' then out[n + 1] = call('HGET', P .. 'qn', found[i]) or '' end
  end
end
return out
