-- Pauses, resumes and limits. KEYS: P m. ARGV: clock; pause, resume or limits; `queue` or `lane`; queue, target, tenant; then
-- for a pause: reason, for how many ms ('' until resumed), message ('' none); for limits: rate, per ms, concurrency
-- ('' is none), and of several shards 1 in the lane's own and 0 elsewhere: until they are shared out, limits are the own shard's.
-- Returns 'OK', or 'FULL' when there are too many lanes. Or `lift` and settings, each `<whose> <fingerprint>`: ends the pauses of
-- misconfigured targets that one of them mends, as core's `is_mended_by` says; returns how many.
local what, scope, name, target, tenant = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]

-- Whether a new pause ends later than the one in force.
local function later(old, new)
  if not old then return true end
  if not new['until'] then return true end
  if not old['until'] then return false end
  return old['until'] <= new['until']
end

local function clear(lane)
  local old = settings(lane)
  save(lane, {rate = old.rate, per = old.per, conc = old.conc, srate = old.srate, sper = old.sper, sconc = old.sconc})
  call('HDEL', P .. 'pb', lane)
end

if what == 'lift' then
  local mended, lifted = {}, 0
  for i = 3, #ARGV do
    local whose = string.match(ARGV[i], '^(.*) [^ ]*$') or ARGV[i]
    mended[whose] = ARGV[i]
  end
  local lanes = call('HGETALL', P .. 'ln')
  for i = 1, #lanes, 2 do
    local s = cjson.decode(lanes[i + 1])
    if s.auto and s.auto.reason == 'misconfigured' then
      local old = s.auto.settings
      local known
      if old then
        known = mended[string.match(old, '^(.*) [^ ]*$') or old]
      else
        -- What an older program stored does not say: the lane's own name does, if it has no tenant.
        local line = call('HGET', P .. 'li', lanes[i])
        local _, target_name, tenant_name = string.match(line or '', '^%d+ %d+ (%S+) (%S*) (%S*)$')
        known = target_name and tenant_name == '' and mended[target_name]
      end
      if known and known ~= old then
        s.auto = nil
        save(lanes[i], s)
        call('HDEL', P .. 'pb', lanes[i])
        lifted, wake = lifted + 1, true
      end
    end
  end
  flush()
  return lifted
end

if what == 'resume' then
  local queue = call('HGET', P .. 'q', name)
  if queue then
    if scope == 'queue' then
      call('HDEL', P .. 'qp', queue)
      -- The default lane has no name to be resumed by: it goes with its queue.
      clear(queue)
    else
      local lane = call('HGET', P .. 'l', name .. ' ' .. target .. ' ' .. tenant)
      if lane then clear(lane) end
    end
    wake = true
  end
  flush()
  return 'OK'
end

local lane, _, queue = lane_no(name, target, tenant)
if not lane then return 'FULL' end
if what == 'pause' then
  local reason, ms, message = ARGV[7], tonumber(ARGV[8]), ARGV[9]
  local p = {reason = reason, since = now, ['until'] = ms and now + ms or nil, message = message ~= '' and message or nil}
  if scope == 'queue' then
    local old = call('HGET', P .. 'qp', queue)
    old = old and cjson.decode(old)
    if not lasts(old) or later(old, p) then call('HSET', P .. 'qp', queue, cjson.encode(p)) end
  else
    local s = copy(settings(lane))
    -- Outcomes pause targets; a lane of one tenant is paused by people only.
    local slot = (reason == 'manual' or tenant ~= '') and 'manual' or 'auto'
    if later(s[slot], p) then
      s[slot] = p
      save(lane, s)
    end
  end
else
  local s = copy(settings(lane))
  -- What was used under a higher rate would take a lower one for ever to refill: it counts for one period at most.
  local rate, used = tonumber(ARGV[7]), 0
  if s.rate then used = level(lane, s) end
  s.rate, s.per, s.conc = rate, rate and tonumber(ARGV[8]) or nil, tonumber(ARGV[9])
  s.srate, s.sper, s.sconc = nil, nil, nil
  if ARGV[10] == '0' then s.srate, s.sper, s.sconc = rate and 0, rate and s.per, s.conc and 0 end
  if not rate and ARGV[8] ~= '1000' then s.per = tonumber(ARGV[8]) end
  if rate then
    buckets[lane] = {min(used, rate), now}
    buckets_changed[lane] = true
    save_buckets()
  else
    call('HDEL', P .. 'bk', lane)
  end
  save(lane, s)
  wake = true
end
flush()
return 'OK'
