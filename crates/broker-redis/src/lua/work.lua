-- Settles outcomes, each fenced on its own, notes what has started, then claims.
-- KEYS: P m. ARGV: clock; number of groups of plain successes whose records the caller has, each a claim's `token16 started6
-- queue3 lane3 target3 n2` and n times `K12`, the first 18 bytes of the final record, and what follows its two times; number
-- of other outcomes, then each as `len1 K token16 op1 …` (see src/settle.rs); number of
-- leases that have started, each `K token16`; then nothing, or a claim: worker, nonce8, max, start, lease ms, not after (store ms; '' is whenever), most per
-- target ('' is any), number of targets held, of each `<queue> <target> ` and count; number of queues, their names.
-- Returns {one letter per outcome (state code, `A` already settled, `L` lease lost, `X` its record cannot be read), now, epoch, nonce, 1 if more is
-- ready plus 2 if work became claimable plus 4 if many had expired, [K, record, …], worker#, [route#, its text, …]}; a large
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

for _ = 1, ngroups do
  local token = sub(ARGV[arg], 1, 16)
  local started, queue, lane, target, n = unp('>I6I3I3I3I2', ARGV[arg], 17)
  local keys = {}
  for i = 1, n do keys[i] = sub(ARGV[arg + i], 1, 12) end
  local held = hmget(P .. 'run', keys)
  local took = max(0, now - started)
  local times = now6 .. pack('>I4', min(took, NEVER - 1))
  local done, holds, same = 0, false, nil
  -- The caller keeps a lease that is settled twice out of the groups.
  for i = 1, n do
    local key, run, a = keys[i], held[i], ARGV[arg + i]
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
      if any_settings then
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
  arg = arg + n + 1
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

  local function keep(key, text)
    local kind, name, body = unp('>BBc0I4c0', text)
    local old = call('HGET', P .. 'rec:' .. kind, name)
    local version = old and unp('>I6', old) + 1 or 1
    call('HSET', P .. 'rec:' .. kind, name, pack('>I6I6', version, now) .. body)
    call('ZADD', P .. 'reci:' .. kind, 0, name)
    if kind == 7 then call('HSET', P .. 'hm', key, name) end
  end

  -- A success that is more than plain: with a history, an expiry, a unique key, or something kept beside it.
  local function succeed(key, run, rec, result, held)
    local r = rd(rec, key)
    local at = rd_run(run)
    leave(key, at, r, {to = SUCCEEDED, counted = false, result = result ~= '' and result or nil, held = held},
      {outcome = 'succeeded'})
    if held then
      count(at.queue, nil, 'h', 1)
      point(at.queue, 'hld', 1)
    end
    answered(at.target, key)
  end

  local function failure(key, run, rec, op, rest)
    local f = {class = op - 48}
    local asked, jitter, message, code
    asked, jitter, message, code = unp('>I6I4I2c0I2c0', rest)
    if asked > 0 then f.asked = asked - 1 end
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
      local kept, result = unp('>I4c0I4c0', rests[i])
      keep(key, kept)
      if not aside(succeed, key, run, rec, result, byte(kept, 1) == 7) then replies[nr + i] = 'X' end
    else -- 0 to 6: a class
      gone[key] = true
      local to
      local ended = aside(function() to = failure(key, run, rec, ops[i], rests[i]) end)
      replies[nr + i] = ended and tostring(to) or 'X'
    end
  end
end
bulk('HSET', P .. 't', t)
bulk('HDEL', P .. 'run', dels)
bulk('ZREM', P .. 'ls', dels)
bulk('RPUSH', P .. 'd', dels)
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
return {concat(replies), now, epoch, nonce, more + 2 * flush(), out, me, told}
