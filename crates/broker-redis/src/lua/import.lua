-- Stores what another store held, where nothing is in its place.
-- KEYS: P m. ARGV: clock; number of routes, then of each its number and text; then items, each a letter and its values:
-- T a task: `len1 K state1 prio1 flags1 created6 expires6 parked6 due6 finished6 gen2 route3 queue3 lane3 target3` (flags: 1 in front,
-- 2 its message is held; times: 0 is none), its record, its payload and result where they have keys of their own (else ''), its
-- batch as text ('' is none), the hash of its recipient ('' is none);
-- U a unique key: name, K, until in ms (0 until final); I an idempotency key: name, at in ms, value; R a record: kind, name, value,
-- K if it is a held message (else ''); N a lane: queue, target, tenant, settings as JSON, 1 in the lane's own shard and 0 elsewhere
-- ('' if there is one shard); Q a queue's pause: queue, pause as JSON; S a point: queue, minute, number of values, names and values.
-- Returns one letter each: D stored, L left as it is; or {'STALE'}: a route is not what the caller takes it for; {'FULL'}: too many
-- lanes or queues.
local arg = 2
local nroutes = tonumber(ARGV[arg])
arg = arg + 1
for _ = 1, nroutes do
  if call('HGET', P .. 'rt', ARGV[arg]) ~= ARGV[arg + 1] then return {'STALE'} end
  arg = arg + 2
end
local today = floor(now / 86400000)
local import = {}

function import.T()
  local key, state, prio, flags, created, expires, parked, due, finished, gen, _, queue, lane, target =
    unp('>Bc0BBBI6I6I6I6I6I2I3I3I3I3', ARGV[arg])
  local rec, payload, result, batch, hash = unpack(ARGV, arg + 1, arg + 5)
  arg = arg + 6
  if call('HEXISTS', P .. 't', key) == 1 or call('HEXISTS', P .. 'run', key) == 1 then return 'L' end
  call('HSET', P .. 't', key, rec)
  if payload ~= '' then call('SET', P .. 'p:' .. key, payload) end
  if result ~= '' then call('SET', P .. 'o:' .. key, result) end
  call('ZADD', P .. 'old', created, key)
  if batch ~= '' then call('ZADD', P .. 'b:' .. batch, created, key) end
  if hash ~= '' then enter_apart(set_of(hash), created, key) end
  count(queue, nil, state, 1)
  if band(flags, 2) > 0 then count(queue, nil, 'h', 1) end
  if state >= SUCCEEDED then
    -- Those that succeeded too: this one is in the order of ends whatever the order of the import.
    call('ZADD', P .. (state == FAILED and 'f1' or 'f0'), finished, key)
    if state ~= SUCCEEDED then call('ZADD', P .. 'x:' .. state, created, key) end
    return 'D'
  end
  if expires > 0 then call('ZADD', P .. 'exp', expires, entry(key, gen) .. '\0') end
  if parked > 0 then call('ZADD', P .. 'exp', parked, entry(key, gen) .. '\1') end
  if state == QUEUED and band(flags, 1) > 0 then
    ready('LPUSH', queue, lane, target, prio, {entry(key, gen)})
  else
    -- What is queued comes to its lane by way of the due ones, and so in the order of its due time.
    call('ZADD', P .. 'due', due, due_member(key, {gen = gen, state = state, prio = prio},
      {queue = queue, lane = lane, target = target}))
  end
  wake = true
  return 'D'
end

function import.U()
  local name, key, ends = ARGV[arg], ARGV[arg + 1], tonumber(ARGV[arg + 2])
  arg = arg + 3
  local holder = call('HGET', P .. 'u', name)
  if holder then
    local held = unp('>I6', holder)
    if held == 0 or held > now then return 'L' end
  end
  if ends > 0 and ends <= now then return 'L' end
  if ends == 0 then
    local rec = call('HGET', P .. 't', key)
    if not rec or byte(rec, 3) >= SUCCEEDED * 4 then return 'L' end
  end
  call('HSET', P .. 'u', name, pack('>I6', ends) .. key)
  if ends > 0 then call('ZADD', P .. 'uz', ends, name) end
  return 'D'
end

function import.I()
  local name, at, value = ARGV[arg], tonumber(ARGV[arg + 1]), ARGV[arg + 2]
  arg = arg + 3
  if at + IDEMPOTENCY_KEPT <= now then return 'L' end
  for d = today + 1, today - 1, -1 do
    if call('HEXISTS', P .. 'idem:' .. d, name) == 1 then return 'L' end
  end
  call('HSET', P .. 'idem:' .. min(floor(at / 86400000), today + 1), name, value)
  return 'D'
end

function import.R()
  local kind, name, value, key = unpack(ARGV, arg, arg + 3)
  arg = arg + 4
  if call('HSETNX', P .. 'rec:' .. kind, name, value) == 0 then return 'L' end
  call('ZADD', P .. 'reci:' .. kind, 0, name)
  if key ~= '' then call('HSET', P .. 'hm', key, name) end
  return 'D'
end

function import.N()
  local name, target, tenant, new, own = unpack(ARGV, arg, arg + 4)
  arg = arg + 5
  local lane = lane_no(name, target, tenant)
  if not lane then return nil end
  local s, changed = copy(settings(lane)), false
  new = cjson.decode(new)
  if not s.rate and not s.conc and (new.rate or new.conc) then
    s.rate, s.per, s.conc = new.rate, new.per, new.conc
    if own == '0' then s.srate, s.sper, s.sconc = new.rate and 0, new.rate and new.per, new.conc and 0 end
    changed = true
  end
  for _, slot in ipairs({'manual', 'auto', 'strikes', 'opens'}) do
    if not s[slot] and new[slot] then
      s[slot] = new[slot]
      changed = true
    end
  end
  if not changed then return 'L' end
  save(lane, s)
  return 'D'
end

function import.Q()
  local name, pause = ARGV[arg], ARGV[arg + 1]
  arg = arg + 2
  local queue = queue_no(name)
  if not queue then return nil end
  return call('HSETNX', P .. 'qp', queue, pause) == 1 and 'D' or 'L'
end

function import.S()
  local name, minute, n = ARGV[arg], tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  local first = arg + 3
  arg = first + 2 * n
  local queue = queue_no(name)
  if not queue then return nil end
  local hour = floor(minute / 60)
  if hour * 3600000 + SERIES_KEPT <= now then return 'L' end
  local new = false
  for i = first, arg - 1, 2 do
    local field = (minute % 60) .. ':' .. queue .. ':' .. ARGV[i]
    if call('HSETNX', P .. 's:' .. hour, field, ARGV[i + 1]) == 1 then new = true end
  end
  if new then call('ZADD', P .. 'sh', hour, hour) end
  return new and 'D' or 'L'
end

local out = {}
while ARGV[arg] do
  local what = ARGV[arg]
  arg = arg + 1
  local letter = import[what]()
  if not letter then
    flush()
    return {'FULL'}
  end
  out[#out + 1] = letter
end
flush()
return concat(out)
