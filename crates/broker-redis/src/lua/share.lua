-- The share that a shard has of limits which hold for all shards, and whose turn something is.
-- KEYS: P m. ARGV: clock; turn, what, who, for how many ms; or look; or lower or set and then of each
-- lane its text, starts per period, period in ms, places ('' where there is no such limit). Lower takes no share up.
-- Lower and set return what runs in each lane, and last whether work became claimable.
-- Look returns of each limited lane: its text, rate, period, concurrency ('' if none), what runs, what waits (at least).
-- Turn returns 1 if nobody else has it.
if ARGV[2] == 'turn' then
  local holder = call('GET', P .. ARGV[3])
  if holder and holder ~= ARGV[4] then return 0 end
  call('SET', P .. ARGV[3], ARGV[4], 'PX', ARGV[5])
  return 1
end
if ARGV[2] ~= 'look' then
  local runs_now = {}
  for i = 3, #ARGV, 4 do
    local lane = call('HGET', P .. 'l', ARGV[i])
    if lane then
      local s = copy(settings(lane))
      local rate, per, conc = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
      if ARGV[2] == 'lower' and conc then conc = min(conc, s.sconc or s.conc or conc) end
      local target = string.match(call('HGET', P .. 'li', lane), '^%d+ (%d+)')
      runs_now[#runs_now + 1] = running_of(lane == target and 't' .. lane or lane)
      if s.srate ~= rate or s.sper ~= per or s.sconc ~= conc then
        -- What was used under a higher rate counts for one period of a lower one at most.
        if rate and s.rate then
          buckets[lane] = {min(level(lane, s), rate), now}
          buckets_changed[lane] = true
        end
        s.srate, s.sper, s.sconc = rate, per, conc
        save(lane, s)
        wake = true
      end
    else
      runs_now[#runs_now + 1] = 0
    end
  end
  save_buckets()
  runs_now[#runs_now + 1] = flush()
  return runs_now
end
local out = {}
local function waiting(lane, target)
  local n = 0
  for p = 0, 3 do
    n = n + call('LLEN', P .. 'r:' .. lane .. ':' .. p)
    -- A target's own limit holds for all its lanes.
    if lane == target and call('EXISTS', P .. 'h:' .. target .. ':' .. p) == 1 then n = n + 1 end
  end
  return n
end
local function put(...)
  for _, v in ipairs({...}) do out[#out + 1] = v end
end
if any_settings then
  local all = call('HGETALL', P .. 'ln')
  for i = 1, #all, 2 do
    local s = cjson.decode(all[i + 1])
    if (s.rate or s.conc) and #out < 6000 then
      local target, text = string.match(call('HGET', P .. 'li', all[i]), '^%d+ (%d+) (.*)$')
      local field = all[i] == target and 't' .. target or all[i]
      put(text, s.rate or '', s.per or '', s.conc or '', running_of(field), waiting(all[i], target))
    end
  end
end
return out
