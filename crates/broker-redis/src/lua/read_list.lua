-- A part of a shard's tasks, newest first: by the time they were created, then by key.
-- KEYS: P m. ARGV: clock; created and key of where the last part ended ('' begins); matches at most; tasks looked at at most; the
-- states wanted as bits (0 is any); kind, queue and batch ('' is any); 1 with bodies; recipient and tenant ('' is any), class of
-- the last failure ('' is any).
-- Returns {looked at, created and key of the last one looked at ('' when there are no more), then of each match: created, key,
-- and what `tell` appends}.
local C, CK = tonumber(ARGV[2]), ARGV[3]
local limit, most, states = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local kind, queue, batch, bodies = ARGV[7], ARGV[8], ARGV[9], ARGV[10] == '1'
local recipient, tenant, class = ARGV[11], ARGV[12], ARGV[13]
local index, set, bucket
if recipient ~= '' then
  index, set = hash_of(recipient)
  bucket = bucket_of(index)
end
-- Entries of a bucket that are read at once, and how often a call does so: some milliseconds.
local WINDOW, windows = 1024, 64
-- Down to where a bucket was read, if not to its end.
local edge_c, edge_k
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

-- From where on the index may lack what has left it: there it is looked for among all.
local deep_c, deep_k

local function lacks(name, oldest, made)
  local left = tonumber(call('ZSCORE', P .. 'toc', name) or nil)
  if not left then return end
  -- Of one that has nothing left: whatever left it was made before it did.
  local c, k = made or left, oldest or string.rep('\255', 16)
  if not deep_c or c > deep_c or c == deep_c and less(deep_k, k) then deep_c, deep_k = c, k end
end

if index then
  local oldest = call('ZRANGE', set, 0, 0, 'WITHSCORES')
  lacks(set, oldest[1], tonumber(oldest[2]))
  local first = call('GETRANGE', bucket, RECIPIENT_HASH, ENTRY - 1)
  if first == '' then lacks(bucket) else lacks(bucket, first, minted_at(first)) end
  -- The index was read to its end by an earlier call.
  if deep_c and C and (C < deep_c or C == deep_c and not less(deep_k, CK)) then index, deep_c = nil, nil end
end

-- Candidates: their times and keys.
local cs, ks, n = {}, {}, 0

-- Adds `want` of `count` entries, newest first, from the cursor on. `read` gives those of a range, how many values each is and how to
-- take one apart. They stand by time and key; up to the time `mixed` by time alone, so there a millisecond is read as a whole.
local function take(count, want, mixed, read)
  local a, top = -1, count - 1
  while C and a < top do
    local m = floor((a + top + 1) / 2)
    local one, _, of = read(m, m)
    local c, k = of(one, 1)
    if c < C or c == C and (c <= mixed or less(k, CK)) then a = m else top = m - 1 end
  end
  local taken, last = 0, nil
  local size = min(want, 256)
  while top >= 0 do
    local bottom = max(0, top - size + 1)
    local part, step, of = read(bottom, top)
    for i = #part - step + 1, 1, -step do
      local c, k = of(part, i)
      if taken >= want and (c ~= last or c > mixed) then return end
      if beyond(c, k) then
        n = n + 1
        cs[n], ks[n] = c, k
        taken, last = taken + 1, c
      end
    end
    top = bottom - 1
  end
end

local function of_zset(part, i)
  return tonumber(part[i + 1]), part[i]
end

local function from_zset(key, want)
  take(call('ZCARD', key), want, -1, function(a, b) return call('ZRANGE', key, a, b, 'WITHSCORES'), 2, of_zset end)
end

-- An entry of `all` is a key, with the time behind it if the caller gave the key.
local function of_all(part, i)
  local e = part[i]
  if #e > 16 then return unp('>I6', e, #e - 5), sub(e, 1, -7) end
  return minted_at(e), e
end

-- When a key was last given by a caller, if ever one was.
local given = tonumber(call('HGET', P .. 'm', 'given') or nil)

local function from_list(key, want, mixed)
  take(call('LLEN', key), want, mixed, function(a, b) return call('LRANGE', key, a, b), 1, of_all end)
end

local function from_all(want)
  from_list(P .. 'all', want, given or -1)
  from_zset(P .. 'old', want)
end

-- Adds keys, newest first, from the cursor on, until there are `want`. Returns how many are still wanted.
local function add(keys, want)
  for i = #keys, 1, -1 do
    if want <= 0 then break end
    local k = keys[i]
    local c = minted_at(k)
    if beyond(c, k) then
      n = n + 1
      cs[n], ks[n] = c, k
      want = want - 1
    end
  end
  return want
end

-- What a recipient has in the log, in his bucket, and in a set of his own.
local function from_index(want)
  from_zset(set, want)
  want = add(logged(index), want)
  local top = floor(call('STRLEN', bucket) / ENTRY)
  if C then
    local high, low = unp('>I6I6', CK)
    -- A key that its caller made says nothing of time.
    if floor(high / 64) ~= C then high, low = (high < C * 64 and C or C + 1) * 64, 0 end
    top = entries_before(bucket, high, low)
  end
  edge_c, edge_k = nil, nil
  while want > 0 and top > 0 do
    if windows == 0 then
      local k = call('GETRANGE', bucket, ENTRY * top + RECIPIENT_HASH, ENTRY * (top + 1) - 1)
      edge_c, edge_k = minted_at(k), k
      return
    end
    windows = windows - 1
    local bottom = max(0, top - WINDOW)
    local part, keys = call('GETRANGE', bucket, ENTRY * bottom, ENTRY * top - 1), {}
    local at = string.find(part, index, 1, true)
    while at do
      if at % ENTRY == 1 then keys[#keys + 1] = sub(part, at + RECIPIENT_HASH, at + ENTRY - 1) end
      at = string.find(part, index, at + 1, true)
    end
    want, top = add(keys, want), bottom
  end
end

-- When a task was created that is found by its key alone.
local function created(key)
  local rec = (given or #key > 12) and call('HGET', P .. 't', key)
  if not rec or byte(rec, 1) % 4 < 2 then return #key == 12 and minted_at(key) or 0 end
  local pos = byte(rec, 3) >= SUCCEEDED * 4 and 41 or 27
  return unp('>I6', rec, byte(rec, 1) % 2 == 1 and pos + 6 or pos)
end

-- Running tasks, which no index has by age.
local function from_leases(want)
  local keys, times, order = call('ZRANGE', P .. 'ls', 0, -1), {}, {}
  for i = 1, #keys do
    times[i] = created(keys[i])
    if beyond(times[i], keys[i]) then order[#order + 1] = times[i] end
  end
  -- Sorting numbers is cheap; only those that are new enough are then sorted by key as well.
  table.sort(order)
  local oldest = order[max(1, #order - want + 1)]
  for i = 1, #keys do
    if oldest and times[i] >= oldest and beyond(times[i], keys[i]) then
      n = n + 1
      cs[n], ks[n] = times[i], keys[i]
    end
  end
end

local leases = batch == '' and not index and states == 4 and call('ZCARD', P .. 'ls') <= MOST_RUNNING
-- Failed, cancelled and expired tasks are few among many: each has an index.
local ended = batch == '' and not index and states > 0 and states % 32 == 0

local function candidates(want)
  if index then
    from_index(want)
  elseif batch ~= '' then
    from_list(P .. 'bl:' .. batch, want, -1)
    from_zset(P .. 'b:' .. batch, want)
  elseif leases then
    from_leases(want)
  elseif ended then
    for s = 5, 7 do
      if floor(states / 2 ^ s) % 2 == 1 then from_zset(P .. 'x:' .. s, want) end
    end
  else
    from_all(want)
  end
end

local function newer(i, j)
  if cs[i] ~= cs[j] then return cs[i] > cs[j] end
  return less(ks[j], ks[i])
end

-- Puts the candidates in order. Nearly always they come in it.
local function sort()
  for i = 2, n do
    if not newer(i - 1, i) then
      local order, c, k = {}, cs, ks
      for j = 1, n do order[j] = j end
      table.sort(order, newer)
      cs, ks = {}, {}
      for j = 1, n do cs[j], ks[j] = c[order[j]], k[order[j]] end
      return
    end
  end
end

-- The rare fields of a record, and why its task last failed; each nil if it has none.
local function texts(rec)
  local A, B = byte(rec, 1, 2)
  local pos = byte(rec, 3) >= SUCCEEDED * 4 and 41 or B >= 128 and 15 or 27
  local ext, n, err
  for _, bit_ in ipairs({1, 2, 4}) do
    if floor(A / bit_) % 2 == 1 then pos = pos + 6 end
  end
  if floor(A / 8) % 2 == 1 then pos = pos + 8 end
  if floor(A / 16) % 2 == 1 then ext, pos = unp('>I2c0', rec, pos) end
  if floor(A / 32) % 2 == 1 then
    n = unp('>I3', rec, pos)
    pos = pos + 3 + n
  end
  if floor(A / 64) % 2 == 1 then err = unp('>I2c0', rec, pos) end
  return ext, err
end

local function fits(key, rec, run)
  if states > 0 and floor(states / 2 ^ state_of(key, rec, run)) % 2 == 0 then return false end
  if kind ~= '' or queue ~= '' then
    local r = route((unp('>I3', rec, 4)))
    if kind ~= '' and r.kind ~= kind or queue ~= '' and r.name ~= queue then return false end
  end
  if recipient == '' and tenant == '' and class == '' then return true end
  local ext, err = texts(rec)
  if recipient ~= '' or tenant ~= '' then
    if not ext then return false end
    local e = cjson.decode(ext)
    if recipient ~= '' and e.recipient ~= recipient or tenant ~= '' and e.tenant ~= tenant then return false end
  end
  return class == '' or err and cjson.decode(err).class == class or false
end

local out = {0, '', ''}
local looked, matches = 0, 0

-- Looks at `count` candidates at most. Returns the last one looked at if there are more behind it.
local function look(count)
  for first = 1, n, 64 do
    local final = min(first + 63, n)
    local recs, runs = hmget(P .. 't', ks, first, final), hmget(P .. 'run', ks, first, final)
    for i = first, final do
      if i > count or matches >= limit then return i - 1 end
      looked = looked + 1
      local key, rec, run = ks[i], recs[i - first + 1], runs[i - first + 1]
      -- A task that moves from one index to another may be met in both.
      if rec and ks[i - 1] ~= key and fits(key, rec, run) then
        matches = matches + 1
        out[#out + 1], out[#out + 2] = string.format('%.0f', cs[i]), key
        tell(out, key, rec, run, bodies)
      end
    end
  end
  return nil
end

-- Few at first: nearly always the first page is full at once.
local count = min(most, limit)
repeat
  cs, ks, n = {}, {}, 0
  candidates(count + 1)
  sort()
  -- What is older than where the bucket was read to waits until it has been read further; what is older than where the index
  -- lacks something comes in its turn among all.
  local deeper = deep_c and not (edge_c and (edge_c > deep_c or edge_c == deep_c and less(deep_k, edge_k)))
  local end_c, end_k = edge_c, edge_k
  if deeper then end_c, end_k = deep_c, deep_k end
  while end_c and n > 0 and (cs[n] < end_c or cs[n] == end_c and less(ks[n], end_k)) do n = n - 1 end
  local last = look(count)
  if last then
    C, CK = cs[last], ks[last]
    count = min(count * 2, most - looked)
  elseif deeper then
    C, CK = deep_c, deep_k
    index, deep_c, edge_c = nil, nil, nil
    count = min(most, limit, most - looked)
  elseif edge_c then
    C, CK = edge_c, edge_k
    break
  else
    C = nil
    break
  end
until matches >= limit or count <= 0

out[1] = looked
if C then
  out[2], out[3] = string.format('%.0f', C), CK
end
return out
