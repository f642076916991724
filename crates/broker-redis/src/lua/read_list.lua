-- A part of a shard's tasks, newest first: by the time they were created, then by key.
-- KEYS: P m. ARGV: clock; created and key of where the last part ended ('' begins); matches at most; tasks looked at at most; the
-- states wanted as bits (0 is any); kind, queue and batch ('' is any); 1 with bodies.
-- Returns {looked at, created and key of the last one looked at ('' when there are no more), then of each match: created, key,
-- and what `tell` appends}.
local C, CK = tonumber(ARGV[2]), ARGV[3]
local limit, most, states = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local kind, queue, batch, bodies = ARGV[7], ARGV[8], ARGV[9], ARGV[10] == '1'
-- More running tasks than this are not sorted here, but looked for among all.
local MOST_RUNNING = 2000

-- Whether key `a` comes before key `b`, by bytes. Comparing texts would go by the server's locale.
local function less(a, b)
  local a1, a2 = unp('>I6I6', a)
  local b1, b2 = unp('>I6I6', b)
  if a1 ~= b1 then return a1 < b1 end
  if a2 ~= b2 then return a2 < b2 end
  local a3 = #a == 16 and unp('>I4', a, 13) or -1
  local b3 = #b == 16 and unp('>I4', b, 13) or -1
  return a3 < b3
end

local function beyond(c, k)
  return not C or c < C or (c == C and less(k, CK))
end

local found = {}
local function add(c, k)
  found[#found + 1] = {c, k}
end

-- The last index at which `created(i)` is not after the cursor, of `n` that rise.
local function place(n, created)
  if not C then return n - 1 end
  local a, b = -1, n - 1
  while a < b do
    local m = floor((a + b + 1) / 2)
    if created(m) <= C then a = m else b = m - 1 end
  end
  return a
end

-- Adds from index `top` down: enough, and then the rest of the same millisecond, whose order may be another than by key.
local function take(top, read)
  local n, last = 0, nil
  while top >= 0 do
    local bottom = max(0, top - 255)
    local part = read(bottom, top)
    for i = #part, 1, -1 do
      local c, k = part[i][1], part[i][2]
      if n > most and c ~= last then return end
      if beyond(c, k) then
        add(c, k)
        n, last = n + 1, c
      end
    end
    top = bottom - 1
  end
end

local function from_zset(key)
  local function read(bottom, top)
    local flat, part = call('ZRANGE', key, bottom, top, 'WITHSCORES'), {}
    for i = 1, #flat, 2 do part[#part + 1] = {tonumber(flat[i + 1]), flat[i]} end
    return part
  end
  local top = place(call('ZCARD', key), function(i) return read(i, i)[1][1] end)
  take(top, read)
end

-- An entry of `all`: a key, with the time behind it where the key tells none.
local function of_all(e)
  if #e > 16 then return {unp('>I6', e, #e - 5), sub(e, 1, -7)} end
  return {floor(unp('>I6', e) / 64), e}
end

local function from_all()
  local key = P .. 'all'
  local top = place(call('LLEN', key), function(i) return of_all(call('LINDEX', key, i))[1] end)
  take(top, function(bottom, top_)
    local part = call('LRANGE', key, bottom, top_)
    for i = 1, #part do part[i] = of_all(part[i]) end
    return part
  end)
  from_zset(P .. 'old')
end

-- When a task was created that is found by its key alone.
local function created(key)
  if #key == 12 then return floor(unp('>I6', key) / 64) end
  local rec = call('HGET', P .. 't', key)
  if not rec or byte(rec, 1) % 4 < 2 then return 0 end
  local pos = byte(rec, 3) >= SUCCEEDED * 4 and 41 or 27
  return unp('>I6', rec, byte(rec, 1) % 2 == 1 and pos + 6 or pos)
end

local function candidates()
  if batch ~= '' then return from_zset(P .. 'b:' .. batch) end
  if states == 4 and call('ZCARD', P .. 'ls') <= MOST_RUNNING then
    local keys = call('ZRANGEBYSCORE', P .. 'ls', '-inf', '(+inf')
    for i = 1, #keys do
      local c = created(keys[i])
      if beyond(c, keys[i]) then add(c, keys[i]) end
    end
    return
  end
  -- Failed, cancelled and expired tasks are few among many: each has an index.
  if states > 0 and states % 32 == 0 then
    for s = 5, 7 do
      if floor(states / 2 ^ s) % 2 == 1 then from_zset(P .. 'x:' .. s) end
    end
    return
  end
  from_all()
end
candidates()

local function newer(a, b)
  if a[1] ~= b[1] then return a[1] > b[1] end
  return less(b[2], a[2])
end
for i = 2, #found do
  -- Nearly always they come in order.
  if not newer(found[i - 1], found[i]) then
    table.sort(found, newer)
    break
  end
end

local function fits(key, rec, run)
  if states > 0 and floor(states / 2 ^ state_of(key, rec, run)) % 2 == 0 then return false end
  if kind == '' and queue == '' then return true end
  local r = route((unp('>I3', rec, 4)))
  return (kind == '' or r.kind == kind) and (queue == '' or r.name == queue)
end

local out = {0, '', ''}
local looked, matches = 0, 0
local function stop(i)
  out[2], out[3] = string.format('%.0f', found[i][1]), found[i][2]
end

local function look()
  for first = 1, #found, 64 do
    local keys = {}
    for i = first, min(first + 63, #found) do keys[#keys + 1] = found[i][2] end
    local recs, runs = hmget(P .. 't', keys), hmget(P .. 'run', keys)
    for j = 1, #keys do
      local i = first + j - 1
      if looked >= most or matches >= limit then return stop(i - 1) end
      looked = looked + 1
      -- A task is in one index at a time, but what left a head meanwhile may be met twice.
      local twice = i > 1 and found[i - 1][2] == keys[j]
      if recs[j] and not twice and fits(keys[j], recs[j], runs[j]) then
        matches = matches + 1
        out[#out + 1], out[#out + 2] = string.format('%.0f', found[i][1]), keys[j]
        tell(out, keys[j], recs[j], runs[j], bodies)
      end
    end
  end
end
look()
out[1] = looked
return out
