-- Leases: mark, extend, cancel flags, release.
-- KEYS: P m. ARGV: clock; what (mark, extend, flags, release); for extend the lease in ms, for release a delay in ms
-- ('' is a shutdown), else ''; then leases, each `flag1 K token16` (extend: flag 1 is started, 2 detached), for release each
-- followed by a draw for the jitter.
-- Returns one letter each: G granted, L lost; extend: C granted and a cancel requested; flags: 0 or 1.
local what, how = ARGV[2], ARGV[3]
local out = {}

local function lease_of(a)
  return byte(a, 1), sub(a, 2, -17), sub(a, -16)
end

if what == 'release' then
  load_ending()
  local wait = tonumber(how)
  local n = floor((#ARGV - 3) / 2)
  -- Backwards, so that the first of them is the foremost again.
  for i = n, 1, -1 do
    local _, key, token = lease_of(ARGV[2 * i + 2])
    local raw = call('HGET', P .. 'run', key)
    out[i] = 'L'
    if raw and sub(raw, 1, 16) == token then
      out[i] = 'G'
      local run, r = rd_run(raw), rd(call('HGET', P .. 't', key), key)
      if band(run.flags, 2) > 0 then
        fail(key, run, r, {class = 6, jitter = tonumber(ARGV[2 * i + 3]),
          message = 'the worker stopped after the point of no return: it may have been sent'})
      else
        local v = {to = QUEUED, counted = false}
        local told = {outcome = 'released', message = wait and 'no handler of this kind in that worker' or nil}
        if band(run.flags, 4) > 0 then
          v.to, v.why, told.outcome = CANCELLED, 'cancelled', 'cancelled'
        elseif wait then
          -- That goes round uncounted, so its age bounds it.
          if now - r.first >= policy(r).max_age_ms then
            v.to, v.why = FAILED, 'max_age'
          else
            v.to, v.at = RETRYING, now + wait
          end
        end
        leave(key, run, r, v, told)
      end
    end
  end
  flush()
  return concat(out)
end

local keys, tokens, flags = {}, {}, {}
for i = 4, #ARGV do flags[i - 3], keys[i - 3], tokens[i - 3] = lease_of(ARGV[i]) end
local runs_now = hmget(P .. 'run', keys)
local set, deadlines = {}, {}
for i = 1, #keys do
  local run = runs_now[i]
  local holds = run and sub(run, 1, 16) == tokens[i]
  local f = holds and byte(run, 17)
  local new, changed = f, false
  if what == 'flags' then
    out[i] = (not holds or band(f, 4) > 0) and '1' or '0'
  elseif not holds then
    out[i] = 'L'
  elseif what == 'mark' then
    -- What is marked has started, whatever was told before.
    new = bit.bor(f, 3)
    out[i] = 'G'
  else
    local detached = band(flags[i], 2) > 0
    new = bit.bor(f, band(flags[i], 1), detached and 8 or 0)
    out[i] = band(f, 4) > 0 and 'C' or 'G'
    -- The worker's own round may come a moment later: it must not cut short what the worker let go of.
    if detached or band(f, 8) == 0 then
      deadlines[#deadlines + 1] = now + tonumber(how)
      deadlines[#deadlines + 1] = keys[i]
      if unp('>I4', run, 29) ~= tonumber(how) then
        run = sub(run, 1, 28) .. pack('>I4', tonumber(how)) .. sub(run, 33)
        changed = true
      end
    end
  end
  if holds and (new ~= f or changed) then
    set[#set + 1] = keys[i]
    set[#set + 1] = sub(run, 1, 16) .. char(new) .. sub(run, 18)
  end
end
bulk('HSET', P .. 'run', set)
bulk('ZADD', P .. 'ls', deadlines)
return concat(out)
