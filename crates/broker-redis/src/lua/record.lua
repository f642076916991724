-- Records and routes; the layout is in docs/adr/0005-redis-layout.md.
local SCHEDULED, QUEUED, RUNNING, RETRYING, SUCCEEDED, FAILED, CANCELLED, EXPIRED = 0, 1, 2, 3, 4, 5, 6, 7
local NEVER = 4294967295

-- When a minted key was made.
local function minted_at(key)
  return floor(unp('>I6', key) / 64)
end

-- All of a record as a table.
local function rd(rec, key)
  local r, pos, A, S = {}, nil, nil, nil
  A, r.B, S, r.route, r.gen, r.att, r.fail, pos = unp('>BBBI3I2I3B', rec)
  r.state, r.prio = floor(S / 4), S % 4
  local final = r.state >= SUCCEEDED
  if final then
    r.due, r.fin, r.took, r.wk, r.nonce, r.plen, pos = unp('>I6I6I4I2c8I2', rec, pos)
  else
    r.ended, r.resc, pos = unp('>BB', rec, pos)
    if r.B >= 128 then
      -- As it was enqueued: due at once, and so when its key was made.
      r.B = r.B - 128
      r.due = minted_at(key)
      r.first = r.due
    else
      r.due, r.first, pos = unp('>I6I6', rec, pos)
    end
  end
  if band(A, 1) > 0 then r.exp, pos = unp('>I6', rec, pos) end
  if band(A, 2) > 0 then r.cre, pos = unp('>I6', rec, pos) end
  if band(A, 4) > 0 then r.parked, pos = unp('>I6', rec, pos) end
  if band(A, 8) > 0 and not final then r.nonce, pos = unp('c8', rec, pos) end
  if band(A, 16) > 0 then r.ext, pos = unp('>I2c0', rec, pos) end
  if band(A, 32) > 0 then r.log, pos = unp('>I3c0', rec, pos) end
  if band(A, 64) > 0 then r.err, pos = unp('>I2c0', rec, pos) end
  r.big = band(A, 128) > 0
  if final then
    r.payload = sub(rec, pos, pos + r.plen - 1)
    r.result = sub(rec, pos + r.plen)
  else
    r.payload = sub(rec, pos)
    r.result = ''
  end
  return r
end

-- A table as a record.
local function wr(r)
  local final = r.state >= SUCCEEDED
  local A = 0
  local t = {'', ''}
  local n = 2
  local function put(bit_, s) A = A + bit_; n = n + 1; t[n] = s end
  if r.exp then put(1, pack('>I6', r.exp)) end
  if r.cre then put(2, pack('>I6', r.cre)) end
  if r.parked and not final then put(4, pack('>I6', r.parked)) end
  if r.nonce and not final then put(8, r.nonce) end
  if r.ext then put(16, pack('>I2c0', #r.ext, r.ext)) end
  if r.log then put(32, pack('>I3c0', #r.log, r.log)) end
  if r.err then put(64, pack('>I2c0', #r.err, r.err)) end
  if r.big then A = A + 128 end
  t[1] = pack('>BBBI3I2I3B', A, r.B, r.state * 4 + r.prio, r.route, r.gen, r.att, r.fail)
  if final then
    t[2] = pack('>I6I6I4I2', r.due, r.fin, r.took, r.wk) .. (r.nonce or '\0\0\0\0\0\0\0\0') .. pack('>I2', #r.payload)
  else
    t[2] = pack('>BBI6I6', r.ended, r.resc, r.due, r.first)
  end
  t[n + 1] = r.payload
  if final then t[n + 2] = r.result end
  return concat(t)
end

-- When a task was created: a minted key tells, a foreign one's record does.
local function created(key, r)
  if r.cre then return r.cre end
  return minted_at(key)
end

local routes = {}
-- queue#, lane#, target#, kind name of a route.
local function route(n)
  local r = routes[n]
  if not r then
    local text = call('HGET', P .. 'rt', n)
    local q, l, t, kind = string.match(text, '^(%d+) (%d+) (%d+) %S+ (%S+)')
    r = {queue = tonumber(q), lane = tonumber(l), target = tonumber(t), kind = kind}
    routes[n] = r
  end
  return r
end

-- A ready entry, or what stands for a task in the sorted set of expiries.
local function entry(key, gen)
  if gen == 1 then return key end
  return key .. pack('>I2', gen)
end

-- Key and generation of an entry.
local function of_entry(e)
  local n = #e
  if n == 12 or n == 16 then return e, 1 end
  return sub(e, 1, n - 2), unp('>I2', e, n - 1)
end

-- Puts what has succeeded at the end of its list. Keys that one call minted begin alike, which is said once for up to 64 in a
-- row: this list is half as large then.
local function push_done(keys)
  local n = #keys
  if n == 0 then return end
  local out, no, i = {}, 0, 1
  while i <= n do
    local key = keys[i]
    local j = i
    if #key == 12 then
      local high = sub(key, 1, 6)
      local parts = {key}
      while j < n and j - i < 63 do
        local other = keys[j + 1]
        if #other ~= 12 or sub(other, 1, 6) ~= high then break end
        j = j + 1
        parts[j - i + 1] = sub(other, 7)
      end
      if j > i then key = concat(parts) end
    end
    no = no + 1
    out[no] = key
    i = j + 1
  end
  bulk('RPUSH', P .. 'd', out)
  call('HINCRBY', P .. 'm', 'dn', n)
end

-- The keys of one entry of that list.
local function done_keys(e)
  if #e % 6 ~= 0 then return {e} end
  local high, keys = sub(e, 1, 6), {}
  for i = 7, #e, 6 do keys[#keys + 1] = high .. sub(e, i, i + 5) end
  return keys
end

local function due_member(key, r, at)
  return key .. pack('>I2BI3I3I3', r.gen, r.state * 4 + r.prio, at.queue, at.lane, at.target)
end

-- A lane whose list of ready tasks was empty enters its ring, and its target the queue's.
local function join(queue, lane, target, prio)
  if call('RPUSH', P .. 'h:' .. target .. ':' .. prio, lane) == 1 then
    call('RPUSH', P .. 'g:' .. queue .. ':' .. prio, target)
  end
end

-- Puts entries among the ready of a lane, at the back or (LPUSH) at the front.
local function ready(cmd, queue, lane, target, prio, entries)
  if bulk(cmd, P .. 'r:' .. lane .. ':' .. prio, entries) == #entries then join(queue, lane, target, prio) end
  wake = true
end
