-- What time moves: due tasks, lost leases, expiries, retention, old keys; each step bounded.
-- KEYS: P m. ARGV: clock; most per step; succeeded age ms and count, failed age ms and count; 1 if memory is short; draws
-- for the jitter of lost leases.
-- Returns {due, rescued, expired, pruned, ms until something is due or -1, 1 if work became claimable}.
load_ending()
-- A sweep looks at so many, and so in a minute at all: each look at one with nothing to remove is a small read.
local BUCKETS_AT_ONCE = 8
local limit = tonumber(ARGV[2])
local ticked = tonumber(call('HGET', P .. 'm', 'tick'))
local last = ticked or now
local hold = tonumber(call('HGET', P .. 'm', 'hold')) or 0
local draws = 0

local function draw()
  draws = draws + 1
  return tonumber(ARGV[8 + (draws - 1) % max(1, #ARGV - 7)]) or 0.5
end

-- Nobody came by for a while, or the clock jumped: the store or its workers stood still, and healthy ones could not
-- extend. They get one full lease before anything is taken from them.
local newest = ticked or tonumber(call('HGET', P .. 'm', 'last')) or 0
if now - last > STORE_GAP or now < last then
  hold = now + LEASE
  call('HSET', P .. 'm', 'hold', hold)
end
local turn = tonumber(call('HGET', P .. 'm', 'bucket') or nil) or 0
call('HSET', P .. 'm', 'tick', now, 'bucket', (turn + BUCKETS_AT_ONCE) % RECIPIENT_BUCKETS)

-- After the clock was set back, a lease or pause seems to end in the far future: it ends as long after now as it was to
-- last, not later by the whole jump.
local function mend(p)
  if not p or p.since <= now then return false end
  local early = p.since - now
  p.since = now
  if p['until'] then p['until'] = p['until'] - early end
  return true
end

if now < newest then
  local used = call('HGETALL', P .. 'bk')
  for i = 1, #used, 2 do
    local much, at = string.match(used[i + 1], '^(%S+) (%S+)$')
    if tonumber(at) > now then call('HSET', P .. 'bk', used[i], much .. ' ' .. now) end
  end
  local lanes = call('HGETALL', P .. 'ln')
  for i = 1, #lanes, 2 do
    local s = cjson.decode(lanes[i + 1])
    local manual, auto = mend(s.manual), mend(s.auto)
    if manual or auto then save(lanes[i], s) end
  end
  local queues = call('HGETALL', P .. 'qp')
  for i = 1, #queues, 2 do
    local p = cjson.decode(queues[i + 1])
    if mend(p) then call('HSET', P .. 'qp', queues[i], cjson.encode(p)) end
  end
end

local function clamp()
  local far = call('ZRANGEBYSCORE', P .. 'ls', now + LEASE + 1, '(+inf', 'WITHSCORES', 'LIMIT', 0, limit)
  for i = 1, #far, 2 do
    local run = call('HGET', P .. 'run', far[i])
    local longest = now + (run and unp('>I4', run, 29) or LEASE)
    if tonumber(far[i + 1]) > longest then call('ZADD', P .. 'ls', longest, far[i]) end
  end
end
clamp()

local due = move_due(limit)

-- Whether the worker of a run was not seen since its last extend. The margin covers the moment between the two.
local seen = {}
local function gone(run)
  local at = seen[run.wk]
  if not at then
    local id = call('HGET', P .. 'wt', run.wk)
    at = tonumber(id and call('ZSCORE', P .. 'ws', id) or -1)
    seen[run.wk] = at
  end
  return at < 0
end

local function lose(key, raw, deadline)
  local run, r = rd_run(raw), rd(call('HGET', P .. 't', key), key)
  local cancel = band(run.flags, 4) > 0
  local marked = band(run.flags, 2) > 0
  local v
  local counts = false
  if marked then
    v = on_failure(r, 6, nil, draw(), cancel)
  elseif cancel then
    v = {to = CANCELLED, counted = false, why = 'cancelled'}
  else
    local at = not gone(run) and seen[run.wk]
    counts = run.flags % 2 == 1 and (not at or at <= deadline - run.lease + STORE_GAP)
    if counts and r.resc >= MAX_RESCUES then
      v = {to = FAILED, counted = false, why = 'worker_lost', rescued = true}
    else
      v = {to = QUEUED, counted = false, rescued = counts}
    end
  end
  leave(key, run, r, v, {outcome = 'lease_expired', lost = true, class = marked and 6 or nil,
    message = marked and 'the worker was lost after the point of no return: it may have been sent' or 'the worker was lost'})
end

local rescued = 0
if now >= hold then
  local lost = call('ZRANGEBYSCORE', P .. 'ls', '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
  -- Backwards, so that the oldest is the foremost again.
  for i = #lost - 1, 1, -2 do
    local raw = call('HGET', P .. 'run', lost[i])
    if raw then
      -- What cannot be ended must not hold up the rest: it is tried again later.
      if not aside(lose, lost[i], raw, tonumber(lost[i + 1])) then call('ZADD', P .. 'ls', now + 60000, lost[i]) end
      rescued = rescued + 1
    else
      call('ZREM', P .. 'ls', lost[i])
    end
  end
end

local function expire()
  local list = call('ZRANGEBYSCORE', P .. 'exp', '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
  for i = 1, #list, 2 do
    local member, at = list[i], tonumber(list[i + 1])
    call('ZREM', P .. 'exp', member)
    local key, gen = of_entry(sub(member, 1, -2))
    -- A running task goes on; what follows its try looks at the expiry again.
    local rec = call('HEXISTS', P .. 'run', key) == 0 and call('HGET', P .. 't', key)
    local r
    if rec and aside(function() r = rd(rec, key) end) then
      if r.state < SUCCEEDED and r.gen == gen then
        if byte(member, -1) == 0 and r.exp == at then
          end_waiting(key, r, EXPIRED, 'expired', 'expired before it could be run')
        elseif byte(member, -1) == 1 and r.parked == at and r.state == QUEUED then
          end_waiting(key, r, FAILED, 'max_age', 'waited too long in a paused lane')
        end
      end
    end
  end
  return #list / 2
end
local expired = expire()

-- Of the heads of the succeeded list and of `f0`, by the time of their end, those too old and those too many.
local function prune_done(age, most, short)
  local surplus = (tonumber(call('HGET', P .. 'm', 'dn')) or 0) + call('ZCARD', P .. 'f0') - most
  if short then surplus = limit end
  -- One that cannot be read is as old as can be: it goes first.
  local function ended(rec) return rec and #rec >= 24 and unp('>I6', rec, 19) or 0 end
  -- Nearly always the oldest of both are young enough: one look each.
  local until_ = now - age
  local first = call('LINDEX', P .. 'd', 0)
  local quiet = not first or ended(call('HGET', P .. 't', done_keys(first)[1])) > until_
  local other_oldest = call('ZRANGE', P .. 'f0', 0, 0, 'WITHSCORES')[2]
  if surplus <= 0 and quiet and (not other_oldest or tonumber(other_oldest) > until_) then return 0 end
  local done = call('LRANGE', P .. 'd', 0, limit - 1)
  local ends = call('ZRANGE', P .. 'f0', 0, limit - 1, 'WITHSCORES')
  local keys, recs, others, taken, pos = {}, {}, {}, 0, 1
  -- The entry that is looked at, its keys and records, and which of them is next.
  local e, row, row_recs, at = 1, nil, nil, 1
  while #keys < limit do
    if not row and done[e] then
      row = done_keys(done[e])
      row_recs, at = hmget(P .. 't', row), 1
    end
    local rec, fin
    if row then
      rec = row_recs[at]
      fin = ended(rec)
    end
    local other = ends[pos] and tonumber(ends[pos + 1])
    if not fin and not other then break end
    local key
    if fin and (not other or fin <= other) then
      if #keys >= surplus and fin > until_ then break end
      key = row[at]
      at = at + 1
      taken = taken + 1
      if at > #row then e, row = e + 1, nil end
    else
      if #keys >= surplus and other > until_ then break end
      key = ends[pos]
      pos = pos + 2
      rec = call('HGET', P .. 't', key)
      others[#others + 1] = key
    end
    if rec then
      keys[#keys + 1], recs[#recs + 1] = key, rec
    end
  end
  if e > 1 then call('LTRIM', P .. 'd', e - 1, -1) end
  -- What is left of an entry keeps its place.
  if row and at > 1 then call('LSET', P .. 'd', 0, sub(done[e], 1, 6) .. sub(done[e], 6 * at + 1)) end
  if taken > 0 then call('HINCRBY', P .. 'm', 'dn', -taken) end
  bulk('ZREM', P .. 'f0', others)
  forget(keys, recs)
  return #keys
end

local function prune_failed(age, most)
  local surplus = call('ZCARD', P .. 'f1') - most
  local oldest = call('ZRANGE', P .. 'f1', 0, 0, 'WITHSCORES')[2]
  if not oldest or surplus <= 0 and tonumber(oldest) > now - age then return 0 end
  local ends = call('ZRANGE', P .. 'f1', 0, limit - 1, 'WITHSCORES')
  local keys = {}
  for i = 1, #ends, 2 do
    if #keys >= surplus and tonumber(ends[i + 1]) > now - age then break end
    keys[#keys + 1] = ends[i]
  end
  bulk('ZREM', P .. 'f1', keys)
  local recs = hmget(P .. 't', keys)
  local known, krecs = {}, {}
  for i = 1, #keys do
    if recs[i] then known[#known + 1], krecs[#krecs + 1] = keys[i], recs[i] end
  end
  forget(known, krecs)
  return #known
end

local pruned = prune_done(tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[7] == '1')
  + prune_failed(tonumber(ARGV[5]), tonumber(ARGV[6]))

-- Keys that were remembered long enough.
local function sweep_keys()
  local n = 0
  local old = call('ZRANGEBYSCORE', P .. 'uz', '-inf', now, 'LIMIT', 0, limit)
  for i = 1, #old do
    call('ZREM', P .. 'uz', old[i])
    local holder = call('HGET', P .. 'u', old[i])
    local ends = holder and unp('>I6', holder) or 0
    if ends > 0 and ends <= now then
      call('HDEL', P .. 'u', old[i])
      n = n + 1
    end
  end
  -- Whole days at once: what is in the day before yesterday's is over 24 hours old.
  local day = floor(now / 86400000)
  local first = tonumber(call('HGET', P .. 'm', 'idem')) or day - 3
  -- A clock that was far ahead for a while left days behind it.
  if first > day - 1 then call('HSET', P .. 'm', 'idem', day - 1) end
  if first < day - 1 then
    for d = max(first, day - 400), day - 2 do
      n = n + call('HLEN', P .. 'idem:' .. d)
      call('UNLINK', P .. 'idem:' .. d, P .. 'rsv:' .. d, P .. 'put:' .. d)
    end
    call('HSET', P .. 'm', 'idem', day - 1)
  end
  local hours = call('ZRANGEBYSCORE', P .. 'sh', '-inf', floor((now - SERIES_KEPT) / 3600000) - 1, 'LIMIT', 0, 48)
  for i = 1, #hours do
    call('UNLINK', P .. 's:' .. hours[i])
    call('ZREM', P .. 'sh', hours[i])
    n = n + 1
  end
  -- By then whatever left an index is gone, unless it was scheduled further ahead than tasks may be.
  call('ZREMRANGEBYSCORE', P .. 'toc', '-inf', now - MAX_SCHEDULE_AHEAD - SERIES_KEPT)
  local silent = call('ZRANGEBYSCORE', P .. 'ws', '-inf', now - WORKER_KEPT, 'LIMIT', 0, 100)
  for i = 1, #silent do
    call('ZREM', P .. 'ws', silent[i])
    call('HDEL', P .. 'w', silent[i])
  end
  return n
end
pruned = pruned + sweep_keys()

-- When the task of an entry of `all` was made, and its key.
local function of_all(e)
  if #e > 16 then return unp('>I6', e, #e - 5), sub(e, 1, -7) end
  return minted_at(e), e
end

-- Buckets lose what is older than the list of all tasks: what lives of it is found in its recipient's own set.
local function move_recipient(key, rec, made)
  local ext = rd(rec, key).ext
  local recipient = ext and cjson.decode(ext).recipient
  if recipient then
    local _, set = hash_of(recipient)
    enter_apart(set, made, key)
  end
end

local function trim_buckets()
  local head = call('LINDEX', P .. 'all', 0)
  local oldest = head and of_all(head) or math.huge
  for i = turn, turn + BUCKETS_AT_ONCE - 1 do
    local bucket = P .. 'tb:' .. i % RECIPIENT_BUCKETS
    local first = call('GETRANGE', bucket, RECIPIENT_HASH, RECIPIENT_HASH + 5)
    if first ~= '' and minted_at(first) < oldest then
      local gone = entries_before(bucket, oldest * 64, 0)
      local left = call('STRLEN', bucket) - ENTRY * gone
      if left == 0 then
        call('DEL', bucket)
      elseif ENTRY * gone >= left then
        -- Not for a few: what is left is written anew.
        call('SET', bucket, call('GETRANGE', bucket, ENTRY * gone, -1))
      end
    end
  end
end

-- The list of all tasks loses its head where tasks are gone; once most of it is holes, what lives at its head moves over.
local function trim_all()
  local n, moved = 0, {}
  local length = call('LLEN', P .. 'all')
  if length == 0 then return end
  local holes = length > 1000 + 2 * call('HLEN', P .. 't')
  local head = call('LINDEX', P .. 'all', 0)
  if not holes and call('HEXISTS', P .. 't', #head > 16 and sub(head, 1, -7) or head) == 1 then return end
  local heads = call('LRANGE', P .. 'all', 0, limit - 1)
  for i = 1, #heads do
    local made, key = of_all(heads[i])
    local rec = call('HGET', P .. 't', key)
    if rec then
      if not holes then break end
      moved[#moved + 1], moved[#moved + 2] = made, key
      aside(move_recipient, key, rec, made)
    end
    n = i
  end
  if n > 0 then
    call('LTRIM', P .. 'all', n, -1)
    call('HINCRBY', P .. 'm', 'abase', n)
    bulk('ZADD', P .. 'old', moved)
  end
end
trim_all()
trim_buckets()

-- Timed pauses of queues end by themselves.
local pauses = call('HGETALL', P .. 'qp')
for i = 1, #pauses, 2 do
  if not lasts(cjson.decode(pauses[i + 1])) then
    call('HDEL', P .. 'qp', pauses[i])
    wake = true
  end
end

-- How long until time itself makes work claimable: something is due, a pause ends, a rate allows.
local next_ = -1
local function note(ms)
  if next_ < 0 or ms < next_ then next_ = max(0, ms) end
end
local first = call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')
if first[2] then note(tonumber(first[2]) - now) end

local function waits(lane)
  -- A target stands for all its lanes.
  for p = 0, 3 do
    if call('EXISTS', P .. 'h:' .. lane .. ':' .. p) == 1 or call('EXISTS', P .. 'r:' .. lane .. ':' .. p) == 1 then
      return true
    end
  end
  return false
end

if any_settings then
  local cursor = call('HSCAN', P .. 'ln', call('HGET', P .. 'm', 'lncur') or 0, 'COUNT', 500)
  call('HSET', P .. 'm', 'lncur', cursor[1])
  local list = cursor[2]
  for i = 1, #list, 2 do
    local s = cjson.decode(list[i + 1])
    if waits(list[i]) then
      for _, p in pairs({s.manual or false, s.auto or false}) do
        if p and p['until'] and p['until'] > now then note(p['until'] - now) end
      end
      if s.rate then
        local rate, per = s.srate or s.rate, s.srate and s.sper or s.per
        local missing = level(list[i], s) + 1 - rate
        if missing > 0 and rate > 0 then note(math.ceil(missing / rate * per)) elseif missing <= 0 then wake = true end
      elseif not (s.manual and lasts(s.manual)) and s.auto and not lasts(s.auto) then
        wake = true
      end
    end
  end
end
return {due, rescued, expired, pruned, next_, flush()}
