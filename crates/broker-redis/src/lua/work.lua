-- Settles outcomes, each fenced on its own, notes what has started, then claims.
-- KEYS: P m. ARGV: clock; number of groups of plain successes whose records the caller has, each a claim's `token16 started6
-- queue3 lane3 target3 n2 each1` and n times `K12`, the first 18 bytes of the final record, and what follows its two times,
-- and, where each is 2, what the task keeps: `kind1 name body`; number of other outcomes, then each as `len1 K token16 op1 …`
-- (see src/work.rs); number of leases that have started, each `K token16`; then nothing, or a claim: worker, nonce8, max, start, lease ms, not after (store ms; '' is whenever), most per
-- target ('' is any), number of targets held, of each `<queue> <target> ` and count; number of queues, their names.
-- Returns {one letter per outcome (state code, `A` already settled, `L` lease lost, `X` its record cannot be read), now, epoch, nonce, 1 if more is
-- ready plus 2 if work became claimable plus 4 if many had expired plus 8 times the looks that go once round, [K, record, …], worker#, [route#, its text, …], [what outcomes
-- did to pauses, see lanes.lua]}; a large
-- payload comes as `len1 K payload` in the place of K.
local replies, nr = {}, 0
local arg = 2
local now6 = pack('>I6', now)
local t, dels, nt, nd = {}, {}, 0, 0
local ngroups = tonumber(ARGV[arg])
arg = arg + 1

-- Whether `token` was the last to settle the task.
local function settled_before(key, token)
  local rec = call('HGET', P .. 't', key)
  if not rec then return 'L' end
  local nonce = rd(rec, key).nonce
  return nonce == sub(token, 9, 16) and 'A' or 'L'
end

-- Books `n` plain successes of a lane, `b` the bucket of their run time.
local function book(queue, lane, target, n, b)
  count(queue, RUNNING, SUCCEEDED, n)
  point(queue, 'suc', n)
  point(queue, 'r' .. b, n)
  running(lane, target, -n)
end

-- Books `n` messages that the sandbox holds.
local function book_held(queue, n)
  count(queue, nil, 'h', n)
  point(queue, 'hld', n)
end

-- What tasks keep, by kind: names, bodies and keys. Written together, after all outcomes.
local kept = {}
local function keep(key, text)
  local kind, name, body = unp('>BBc0I4c0', text)
  local k = kept[kind]
  if not k then
    k = {n = 0, names = {}, bodies = {}, keys = {}}
    kept[kind] = k
  end
  local i = k.n + 1
  k.n, k.names[i], k.bodies[i], k.keys[i] = i, name, body, key
  return kind == HELD_MESSAGE
end

local function store_kept()
  for kind, k in pairs(kept) do
    local old = hmget(P .. 'rec:' .. kind, k.names)
    local records, index, named, versions = {}, {}, {}, {}
    for i = 1, k.n do
      local name = k.names[i]
      local version = (versions[name] or old[i] and unp('>I6', old[i]) or 0) + 1
      versions[name] = version
      records[2 * i - 1], records[2 * i] = name, pack('>I6I6', version, now) .. k.bodies[i]
      index[2 * i - 1], index[2 * i] = '0', name
      named[2 * i - 1], named[2 * i] = k.keys[i], name
    end
    bulk('HSET', P .. 'rec:' .. kind, records)
    bulk('ZADD', P .. 'reci:' .. kind, index)
    if kind == HELD_MESSAGE then bulk('HSET', P .. 'hm', named) end
  end
end

for _ = 1, ngroups do
  local token = sub(ARGV[arg], 1, 16)
  local started, queue, lane, target, n, each = unp('>I6I3I3I3I2B', ARGV[arg], 17)
  local keys = {}
  for i = 1, n do keys[i] = sub(ARGV[arg + each * (i - 1) + 1], 1, 12) end
  local held = hmget(P .. 'run', keys)
  local took = max(0, now - started)
  local times = now6 .. pack('>I4', min(took, NEVER - 1))
  local done, messages, holds, same = 0, 0, false, nil
  -- The caller keeps a lease that is settled twice out of the groups.
  for i = 1, n do
    local key, run, a = keys[i], held[i], ARGV[arg + each * (i - 1) + 1]
    nr = nr + 1
    -- Most runs of a claim are the same text.
    if run ~= same then holds, same = run and sub(run, 1, 16) == token, run end
    if not holds then
      replies[nr] = settled_before(key, token)
    else
      replies[nr] = '4'
      done = done + 1
      nt = nt + 2
      t[nt - 1], t[nt] = key, sub(a, 13, 30) .. times .. sub(a, 31)
      nd = nd + 1
      dels[nd] = key
      if each == 2 and keep(key, ARGV[arg + 2 * i]) then messages = messages + 1 end
      if any_settings then
        settling = nr
        freed(lane, target, key)
        answered(target, key)
      end
      if watched then
        local route_no, gen, att = unp('>I3I2I3', a, 16)
        event(key, route_no, SUCCEEDED, att, gen)
      end
    end
  end
  if done > 0 then book(queue, lane, target, done, bucket(took)) end
  if messages > 0 then book_held(queue, messages) end
  arg = arg + each * n + 1
end

local nsettle = tonumber(ARGV[arg])
arg = arg + 1

if nsettle > 0 then
  load_ending()
  local gone = {}
  for i = 1, nd do gone[dels[i]] = true end

  local function fields(a)
    local n = byte(a, 1)
    return sub(a, 2, n + 1), sub(a, n + 2, n + 17), byte(a, n + 18), sub(a, n + 19)
  end

  -- A success that is more than plain: with a history, an expiry, a unique key, or something kept beside it.
  local function succeed(key, run, rec, result, held)
    local r = rd(rec, key)
    local at = rd_run(run)
    leave(key, at, r, {to = SUCCEEDED, counted = false, result = result ~= '' and result or nil, held = held},
      {outcome = 'succeeded'})
    if held then book_held(at.queue, 1) end
    answered(at.target, key)
  end

  local function failure(key, run, rec, op, rest)
    local f = {class = op - 48}
    local asked, jitter, message, code, fault, under
    asked, jitter, message, code, fault, under = unp('>I6I4I2c0I2c0BI2c0', rest)
    if asked > 0 then f.asked = asked - 1 end
    if fault > 0 then f.fault = fault end
    if under ~= '' then f.settings = under end
    f.jitter = jitter / 4294967296
    f.message = message
    if code ~= '' then f.code = sub(code, 2) end
    return fail(key, rd_run(run), rd(rec, key), f)
  end

  local keys, tokens, ops, rests = {}, {}, {}, {}
  for i = 1, nsettle do
    keys[i], tokens[i], ops[i], rests[i] = fields(ARGV[arg])
    arg = arg + 1
  end
  local held = hmget(P .. 'run', keys)
  local recs = hmget(P .. 't', keys)
  for i = 1, nsettle do
    local key, run, rec = keys[i], held[i], recs[i]
    settling = nr + i
    if not run or not rec or sub(run, 1, 16) ~= tokens[i] then
      replies[nr + i] = settled_before(key, tokens[i])
    elseif gone[key] then
      replies[nr + i] = 'A'
    elseif ops[i] == 83 then -- S: a success, and the result if there is one
      gone[key] = true
      replies[nr + i] = '4'
      if not aside(succeed, key, run, rec, rests[i], false) then replies[nr + i] = 'X' end
    elseif ops[i] == 75 then -- K: a success that keeps something: kind1 name body, then the result
      gone[key] = true
      replies[nr + i] = '4'
      local text, result = unp('>I4c0I4c0', rests[i])
      local message = keep(key, text)
      if not aside(succeed, key, run, rec, result, message) then replies[nr + i] = 'X' end
    elseif ops[i] == 90 then -- Z: to be run again after so many ms
      gone[key] = true
      local to
      local ended = aside(function() to = snooze(key, rd_run(run), rd(rec, key), (unp('>I4', rests[i]))) end)
      replies[nr + i] = ended and tostring(to) or 'X'
    else -- 0 to 6: a class
      gone[key] = true
      local to
      local ended = aside(function() to = failure(key, run, rec, ops[i], rests[i]) end)
      replies[nr + i] = ended and tostring(to) or 'X'
    end
  end
end
settling = nil
bulk('HSET', P .. 't', t)
bulk('HDEL', P .. 'run', dels)
bulk('ZREM', P .. 'ls', dels)
push_done(dels)
store_kept()
flush_runs()

local nstarted = tonumber(ARGV[arg])
arg = arg + 1
for _ = 1, nstarted do
  local a = ARGV[arg]
  arg = arg + 1
  local key, token = sub(a, 1, -17), sub(a, -16)
  local run = call('HGET', P .. 'run', key)
  if run and sub(run, 1, 16) == token and byte(run, 17) % 2 == 0 then
    call('HSET', P .. 'run', key, sub(run, 1, 16) .. char(byte(run, 17) + 1) .. sub(run, 18))
  end
end

local epoch, more, out, nonce, me, told = 0, 0, {}, '', 0, {}
if ARGV[arg] then
  nonce = ARGV[arg + 1]
  local latest = tonumber(ARGV[arg + 5])
  -- Nobody waits any more for what a call that was held up would hand out: it would be held for a whole lease.
  if not latest or now <= latest then epoch, more, out, me, told = claim(arg) end
end
return {concat(replies), now, epoch, nonce, more + 2 * flush(), out, me, told, lane_news}
