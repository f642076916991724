-- What people do to tasks: cancel, retry and erase.
-- KEYS: P m. ARGV: clock; cancel, retry or erase; for retry the new expiry in ms ('' is none), else ''; keys.
-- Returns one text each. Cancel: `D` done, `R` requested, `F` and the state code it ended in, `N` unknown. Retry: `G` and
-- the generation, `S` and the state code it is in, `U` and the key of the holder of its unique key, `N`. Erase: `D`
-- gone, `R` it runs, `N`.
load_ending()
local what, expires = ARGV[2], tonumber(ARGV[3])
local out = {}

local function cancel(key)
  local run = call('HGET', P .. 'run', key)
  if run then
    local flags = byte(run, 17)
    if band(flags, 4) == 0 then call('HSET', P .. 'run', key, sub(run, 1, 16) .. char(flags + 4) .. sub(run, 18)) end
    return 'R'
  end
  local rec = call('HGET', P .. 't', key)
  if not rec then return 'N' end
  local r = rd(rec, key)
  if r.state >= SUCCEEDED then return 'F' .. r.state end
  end_waiting(key, r, CANCELLED, 'cancelled', 'cancelled')
  return 'D'
end

-- The state of a task that does not run, told apart from a due time that has come.
local function resting(key, r)
  if (r.state == SCHEDULED or r.state == RETRYING)
    and not call('ZSCORE', P .. 'due', due_member(key, r, route(r.route))) then
    return QUEUED
  end
  return r.state
end

local function retry(key)
  if call('HEXISTS', P .. 'run', key) == 1 then return 'S2' end
  local rec = call('HGET', P .. 't', key)
  if not rec then return 'N' end
  local r = rd(rec, key)
  if r.state <= SUCCEEDED then return 'S' .. resting(key, r) end
  local at = route(r.route)
  local ext = r.ext and cjson.decode(r.ext) or {}
  if ext.unique then
    local name = (ext.tenant or '') .. '\31' .. at.kind .. '\31' .. ext.unique
    local holder = call('HGET', P .. 'u', name)
    if holder and sub(holder, 7) ~= key then
      local ends = unp('>I6', holder)
      if ends == 0 or ends > now then return 'U' .. sub(holder, 7) end
    end
    if band(r.B, 4) > 0 then call('HSET', P .. 'u', name, '\0\0\0\0\0\0' .. key) end
  end
  call('ZREM', P .. (r.state == FAILED and 'f1' or 'f0'), key)
  call('ZREM', P .. 'x:' .. r.state, key)
  if r.B >= 64 then call('DEL', P .. 'o:' .. key) end
  local from = r.state
  r.B = r.B % 32
  r.state, r.gen, r.att, r.fail, r.ended, r.resc = QUEUED, r.gen % 65535 + 1, 0, 0, 0, 0
  r.due, r.first, r.exp, r.parked, r.err, r.result = now, now, expires, nil, nil, ''
  if r.nonce == '\0\0\0\0\0\0\0\0' then r.nonce = nil end
  if expires then call('ZADD', P .. 'exp', expires, entry(key, r.gen) .. '\0') end
  call('HSET', P .. 't', key, wr(r))
  ready('RPUSH', at.queue, at.lane, at.target, r.prio, {entry(key, r.gen)})
  count(at.queue, from, QUEUED, 1)
  if watched then event(key, r.route, QUEUED, 0, r.gen) end
  return 'G' .. r.gen
end

-- Wipes out for whom a task was, where that would stay until all that is as old has gone.
local function unsay(recipient, key)
  if #key ~= 12 then return end
  local hash = hash_of(recipient)
  local keys, places = logged(hash)
  for i = 1, #keys do
    if keys[i] == key then call('SETRANGE', P .. 'tn', places[i], NOBODY) end
  end
  local bucket = bucket_of(hash)
  local i = entries_before(bucket, unp('>I6I6', key))
  if call('GETRANGE', bucket, ENTRY * i, ENTRY * (i + 1) - 1) == hash .. key then
    call('SETRANGE', bucket, ENTRY * i, NOBODY)
  end
end

local function erase(key)
  if call('HEXISTS', P .. 'run', key) == 1 then return 'R' end
  local rec = call('HGET', P .. 't', key)
  if not rec then return 'N' end
  local r = rd(rec, key)
  local at = route(r.route)
  local state = r.state
  if state < SUCCEEDED then
    state = leave_place(key, r, at)
  elseif state == SUCCEEDED then
    -- Its place in the list of those that succeeded stays empty; one that was imported has its place by time.
    call('ZREM', P .. 'f0', key)
  else
    call('ZREM', P .. (state == FAILED and 'f1' or 'f0'), key)
  end
  local ext = r.ext and cjson.decode(r.ext) or {}
  if ext.unique then
    local name = (ext.tenant or '') .. '\31' .. at.kind .. '\31' .. ext.unique
    local holder = call('HGET', P .. 'u', name)
    if holder and sub(holder, 7) == key then
      call('HDEL', P .. 'u', name)
      call('ZREM', P .. 'uz', name)
    end
  end
  forget({key}, {rec}, {[key] = state})
  if ext.recipient then unsay(ext.recipient, key) end
  return 'D'
end

for i = 4, #ARGV do
  out[i - 3] = what == 'cancel' and cancel(ARGV[i]) or what == 'retry' and retry(ARGV[i]) or what == 'erase' and erase(ARGV[i])
end
flush()
return out
