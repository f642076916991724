-- Stores tasks of several requests; each request all or none, and none fails its neighbours.
-- KEYS: P m. ARGV: clock; not after (store ms; '' is whenever); number of routes, then of each its number and text; number of groups, then of each
-- `route3 prio1 queue3 lane3 target3`; the last six bytes of a key for each task; its group2 for each task ('' if each
-- request has one); whom each is for, as the hash of its recipient or zeros ('' if none says); number of requests, then of each a header `tasks2 flags1 group2`, with flag 2 its idempotency key and
-- fingerprint, with flag 4 storing what is absent, with flag 8 for good, with flag 16 the batch of all its tasks; then its tasks:
-- records, stored as they come, or (flag 1, see src/pack.rs) a byte that says whether there is more to one, and what there is.
-- Returns the first six bytes of the minted keys, then one text per request: `P` all stored, plain; `L` or `R` (replayed)
-- and `len1 K state1 dup1` each; `E` and a key that exists; `M` another fingerprint; `A` and the index2 of a task too far
-- ahead. Or {'STALE'}: a route is not what the caller takes it for; {'LATE', now}: its caller was told already that
-- nothing is stored, and nothing was.
local latest = tonumber(ARGV[2])
if latest and now > latest then return {'LATE', tostring(now)} end
local arg = 3
local nroutes = tonumber(ARGV[arg])
arg = arg + 1
local numbers, texts = {}, {}
for i = 1, nroutes do
  numbers[i], texts[i] = ARGV[arg], ARGV[arg + 1]
  arg = arg + 2
end
local known = hmget(P .. 'rt', numbers)
for i = 1, nroutes do
  if known[i] ~= texts[i] then return {'STALE'} end
end
local ngroups = tonumber(ARGV[arg])
arg = arg + 1
local groups = {}
for i = 1, ngroups do
  local g = {entries = {}, queued = 0, scheduled = 0}
  g.route, g.prio, g.queue, g.lane, g.target = unp('>I3BI3I3I3', ARGV[arg])
  groups[i] = g
  arg = arg + 1
end
local lows, group_of, recipients = ARGV[arg], ARGV[arg + 1], ARGV[arg + 2]
local nrequests = tonumber(ARGV[arg + 3])
arg = arg + 4

-- Each call has keys of its own: the time, a number of the call within it, then what the caller sent. Never back in time,
-- whatever the clock does: the order of keys is the order of creation.
local minting = call('HMGET', P .. 'm', 'ctr', 'last')
local ctr, born = tonumber(minting[1]) or 0, tonumber(minting[2]) or 0
if now > born then
  born, ctr = now, 0
elseif ctr >= 63 then
  born, ctr = born + 1, 0
else
  ctr = ctr + 1
end
local high = pack('>I6', born * 64 + ctr)
-- Said as text: each number that is given to a call is printed anew.
local born_text = string.format('%.0f', born)
call('HSET', P .. 'm', 'ctr', ctr, 'last', born_text)

local t, all = {}, {}
local nt, na = 0, 0
-- Tasks looked at so far.
local seq = 0
-- What only few requests need, defined when the first does.
local refused, replay, add_special, told, remember, pass_over
-- What this call stores already, for requests in it that ask whether it exists.
local fresh
-- The batch of all tasks of a request, if they are of one, and the keys that it stored.
local batch, members
-- Of which tasks the recipients are not noted: the first and how many, in turn.
local passed = {}

local function specials()
  if fresh then return end
  fresh = {}
  local fresh_unique, fresh_idem = {}, {}

  local function state_of(key)
    if fresh[key] then return fresh[key] end
    if call('HEXISTS', P .. 'run', key) == 1 then return RUNNING end
    local rec = call('HGET', P .. 't', key)
    if not rec then return SUCCEEDED end
    local state = floor(byte(rec, 3) / 4)
    if state == SCHEDULED or state == RETRYING then
      local r = rd(rec, key)
      if not call('ZSCORE', P .. 'due', due_member(key, r, route(r.route))) then state = QUEUED end
    end
    return state
  end

  local function unique_holder(name)
    local mine = fresh_unique[name]
    if mine then return mine end
    local holder = call('HGET', P .. 'u', name)
    if not holder then return nil end
    local ends = unp('>I6', holder)
    if ends == 0 or ends > now then return sub(holder, 7) end
    return nil
  end

  function told(key, state, dup)
    return char(#key) .. key .. char(state, dup)
  end

  -- What the first request under this key was answered, if there was one.
  function replay(name, fingerprint)
    local value = fresh_idem[name]
    if not value then
      local day = floor(now / 86400000)
      -- Tomorrow, too: the clock may have been set back over midnight.
      for d = day + 1, day - 1, -1 do value = value or call('HGET', P .. 'idem:' .. d, name) end
      if not value or unp('>I6', value) + IDEMPOTENCY_KEPT <= now then return nil end
    end
    if sub(value, 7, 38) ~= fingerprint then return 'M' end
    local out, pos = {'R'}, 39
    while pos <= #value do
      local n = byte(value, pos)
      local key = sub(value, pos + 1, pos + n)
      out[#out + 1] = told(key, state_of(key), byte(value, pos + n + 1))
      pos = pos + n + 2
    end
    return concat(out)
  end

  -- Keeps what a request was answered.
  function remember(name, fingerprint, out)
    local day = floor(now / 86400000)
    local value = {pack('>I6', now), fingerprint}
    for i = 1, #out do
      local e = out[i]
      value[i + 2] = sub(e, 1, 1 + byte(e, 1)) .. sub(e, -1)
    end
    local text = concat(value)
    call('HSET', P .. 'idem:' .. day, name, text)
    call('HDEL', P .. 'idem:' .. (day - 1), name)
    call('HDEL', P .. 'idem:' .. (day + 1), name)
    fresh_idem[name] = text
  end

  -- Fields of a task that is more than plain.
  local function special(a)
    local s = {head = sub(a, 2, 15)}
    s.mode, s.at, s.key, s.unique, s.hold, s.batch, s.exp, s.rest, s.big = unp('>BI6Bc0I2c0I6Bc0I6I3c0I4c0', a, 16)
    return s
  end

  -- Of `n` tasks the recipients are not noted with the others: they are not stored, or are found elsewhere.
  function pass_over(first, n)
    local k = #passed
    passed[k + 1], passed[k + 2] = first, n
  end

  function add_special(g, a, minted, absent, noted)
    local s = special(a)
    -- A repeat of a reserved request: what its first try stored stays, and what has been pruned since is not stored again.
    if absent then
      local today = floor(now / 86400000)
      local before = fresh[s.key] or call('HEXISTS', P .. 't', s.key) == 1
      for d = today + 1, today - 1, -1 do before = before or call('HEXISTS', P .. 'put:' .. d, s.key) == 1 end
      if before then return told(s.key, state_of(s.key), 0) end
    end
    if s.unique ~= '' then
      local holder = unique_holder(s.unique)
      if holder then return told(holder, state_of(holder), 1) end
    end
    local given = s.key ~= ''
    local key = given and s.key or minted
    local due = s.mode == 0 and now or s.mode == 1 and max(s.at, now) or now + s.at
    local state = due > now and SCHEDULED or QUEUED
    -- State and priority are the third byte; the caller leaves the state open.
    local rec = {sub(s.head, 1, 2), char(state * 4 + g.prio), sub(s.head, 4), pack('>I6I6', due, due)}
    if s.exp > 0 then
      rec[#rec + 1] = pack('>I6', s.exp)
      call('ZADD', P .. 'exp', s.exp, key .. '\0')
    end
    if given then rec[#rec + 1] = pack('>I6', born) end
    rec[#rec + 1] = s.rest
    if noted then call('HSET', P .. 'put:' .. floor(now / 86400000), key, '') end
    if s.big ~= '' then call('SET', P .. 'p:' .. key, s.big) end
    t[nt + 1], t[nt + 2] = key, concat(rec)
    nt = nt + 2
    na = na + 1
    all[na] = given and key .. pack('>I6', born) or key
    -- Up to here the order of a millisecond may be another than that of its keys; lists must know.
    if given then call('HSET', P .. 'm', 'given', born_text) end
    if s.unique ~= '' then
      local ends = s.hold > 0 and now + s.hold or 0
      call('HSET', P .. 'u', s.unique, pack('>I6', ends) .. key)
      if ends > 0 then call('ZADD', P .. 'uz', ends, s.unique) end
      fresh_unique[s.unique] = key
    end
    -- A key that was made here tells when, and so a list is in order; what brings its key stands by its time.
    local own = batch or s.batch
    if own ~= '' and given then
      call('ZADD', P .. 'b:' .. own, born_text, key)
    elseif batch then
      members[#members + 1] = key
    elseif own ~= '' then
      call('RPUSH', P .. 'bl:' .. own, key)
    end
    fresh[key] = state
    if given and recipients ~= '' then
      local hash = sub(recipients, RECIPIENT_HASH * (seq - 1) + 1, RECIPIENT_HASH * seq)
      if hash ~= NOBODY then enter_apart(set_of(hash), born_text, key) end
    end
    if state == QUEUED then
      g.queued = g.queued + 1
      g.entries[g.queued] = key
    else
      g.scheduled = g.scheduled + 1
      call('ZADD', P .. 'due', due, key .. pack('>I2BI3I3I3', 1, SCHEDULED * 4 + g.prio, g.queue, g.lane, g.target))
    end
    if watched then event(key, g.route, state, 0, 1, nil, state == SCHEDULED and due or nil) end
    return told(key, state, 0)
  end

  -- Everything that can refuse a request is looked at before any of it is stored.
  function refused(first, n)
    local own = {}
    for i = 0, n - 1 do
      local a = ARGV[first + i]
      if byte(a) == 1 then
        local s = special(a)
        if s.key ~= '' then
          if own[s.key] or fresh[s.key] or call('HEXISTS', P .. 't', s.key) == 1 then return 'E' .. s.key end
          own[s.key] = true
        end
        if s.mode == 1 and s.at - now > MAX_SCHEDULE_AHEAD then return 'A' .. pack('>I2', i) end
      end
    end
    return nil
  end
end

-- Moves what the log holds to buckets by hash, several entries by one call.
local function sort_recipients()
  local log, pos, parts = call('GET', P .. 'tn'), 1, {}
  while pos < #log do
    local n, high, low, first, after = of_log(log, pos)
    for i = 0, n - 1 do
      local hash = sub(log, first + RECIPIENT_HASH * i, first + RECIPIENT_HASH * (i + 1) - 1)
      if hash ~= NOBODY then
        local bucket = bucket_of(hash)
        local part = parts[bucket]
        if not part then
          part = {}
          parts[bucket] = part
        end
        part[#part + 1] = hash .. high .. sub(log, low + 6 * i, low + 6 * i + 5)
      end
    end
    pos = after
  end
  for bucket, part in pairs(parts) do
    if call('APPEND', bucket, concat(part)) > ENTRY * RECIPIENT_BUCKET then
      -- Of one recipient there are millions: the older half leaves, and is looked for among all.
      call('SET', bucket, call('GETRANGE', bucket, ENTRY * floor(RECIPIENT_BUCKET / 2), -1))
      call('ZADD', P .. 'toc', born, bucket)
    end
  end
  call('DEL', P .. 'tn')
end

-- Notes for whom the tasks of this call are. A place of its own for each would cost more than all else of a batch: they are
-- written as they came, and sorted a few thousand at a time.
local function note_recipients()
  local text, pos, left = {}, 1, seq
  for i = 1, #passed, 2 do
    local first, n = passed[i], passed[i + 1]
    text[i], text[i + 1] = sub(recipients, pos, RECIPIENT_HASH * (first - 1)), string.rep(NOBODY, n)
    pos = RECIPIENT_HASH * (first + n - 1) + 1
    left = left - n
  end
  if left == 0 then return end
  text[#text + 1] = sub(recipients, pos)
  local length = call('APPEND', P .. 'tn', pack('>I2', seq) .. high .. lows .. concat(text))
  if length >= RECIPIENT_LOG then sort_recipients() end
end

-- The group of the task looked at, where its request has none for all.
local function its_group()
  local a, b = byte(group_of, 2 * seq - 1, 2 * seq)
  return groups[a * 256 + b]
end

local function put(g, key, rec)
  t[nt + 1], t[nt + 2] = key, rec
  nt = nt + 2
  na = na + 1
  all[na] = key
  local n = g.queued + 1
  g.queued = n
  g.entries[n] = key
  if members then members[#members + 1] = key end
  if watched then event(key, g.route, QUEUED, 0, 1) end
end

local function serve(first, n, flags, group, idem, fingerprint)
  specials()
  local no = idem and replay(idem, fingerprint) or flags % 2 == 1 and flags < 4 and refused(first, n)
  if no then
    pass_over(seq + 1, n)
    seq = seq + n
    return no
  end
  local out = {}
  for i = first, first + n - 1 do
    seq = seq + 1
    local a, g = ARGV[i], groups[group] or its_group()
    local key = high .. sub(lows, 6 * seq - 5, 6 * seq)
    if flags % 2 == 1 and byte(a) == 1 then
      out[#out + 1] = add_special(g, a, key, flags >= 4, flags >= 8)
      if all[na] ~= key then pass_over(seq, 1) end
    else
      put(g, key, flags % 2 == 1 and sub(a, 2) or a)
      fresh[key] = QUEUED
      out[#out + 1] = told(key, QUEUED, 0)
    end
  end
  -- A request of no tasks asks what the key holds, and does not use it.
  if idem and n > 0 then remember(idem, fingerprint, out) end
  return 'L' .. concat(out)
end

local replies = {high}
for i = 1, nrequests do
  local n1, n2, flags, g1, g2 = byte(ARGV[arg], 1, 5)
  local n, group = n1 * 256 + n2, g1 * 256 + g2
  arg = arg + 1
  batch, members = nil, nil
  if flags >= 16 then
    flags, batch, members = flags - 16, ARGV[arg], {}
    arg = arg + 1
  end
  if flags == 0 then
    local g = groups[group]
    for j = arg, arg + n - 1 do
      seq = seq + 1
      put(g or its_group(), high .. sub(lows, 6 * seq - 5, 6 * seq), ARGV[j])
    end
    replies[i + 1] = 'P'
  else
    local idem, fingerprint
    if band(flags, 2) > 0 then
      idem, fingerprint = ARGV[arg], ARGV[arg + 1]
      arg = arg + 2
    end
    replies[i + 1] = serve(arg, n, flags, group, idem, fingerprint)
  end
  if batch then bulk('RPUSH', P .. 'bl:' .. batch, members) end
  arg = arg + n
end

bulk('HSET', P .. 't', t)
bulk('RPUSH', P .. 'all', all)
if recipients ~= '' then note_recipients() end
for i = 1, ngroups do
  local g = groups[i]
  if g.queued > 0 then
    ready('RPUSH', g.queue, g.lane, g.target, g.prio, g.entries)
    count(g.queue, nil, QUEUED, g.queued)
  end
  if g.scheduled > 0 then count(g.queue, nil, SCHEDULED, g.scheduled) end
  if g.queued + g.scheduled > 0 then point(g.queue, 'enq', g.queued + g.scheduled) end
end
flush()
return replies
