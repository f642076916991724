-- How a task leaves where it is: the slow, general way. Hot successes are ended in work.lua; what is here is made when it is
-- first needed, since making it costs more than a small call does.
local rd_run, policy, on_failure, leave, fail, snooze, leave_place, end_waiting

local function load_ending()
  if leave then return end
  local CLASS = {[0] = 'transient', 'unavailable', 'throttled', 'misconfigured', 'permanent', 'suppress', 'ambiguous'}
  -- What follows a class: 0 retry, 1 park, 2 fail, 3 by policy; and whether it counts.
  local EFFECT = {[0] = 0, 0, 1, 1, 2, 2, 3}
  local COUNTS = {[0] = 1, 0, 0, 0, 1, 1, 1}
  local policies = {}

  function policy(r)
    local code = r.B % 4
    if code == 2 then return cjson.decode(r.ext).policy end
    local p = policies[code]
    if not p then
      p = cjson.decode(POLICIES[code])
      policies[code] = p
    end
    return p
  end

  local function delay(backoff, n, jitter)
    if backoff.type == 'exponential' then
      return floor(min(backoff.base_ms * 2 ^ min(n, 40), backoff.cap_ms) * jitter)
    end
    local list = backoff.delays_ms
    return list[min(n + 1, #list)] or 0
  end

  -- What becomes of a task whose try failed: {to, counted, next, end reason}, as core's `on_failure` says.
  function on_failure(r, class, asked, jitter, cancel)
    local counts = COUNTS[class] == 1
    if cancel then return {to = CANCELLED, counted = counts, why = 'cancelled'} end
    local p = policy(r)
    local effect = EFFECT[class]
    if effect == 3 then effect = p.on_ambiguous == 'retry' and 0 or 2 end
    if effect == 2 then
      return {to = FAILED, counted = counts, why = class == 5 and 'suppressed' or class == 6 and 'ambiguous' or 'permanent'}
    end
    if counts and r.fail + 1 >= p.max_failures then
      return {to = FAILED, counted = true, why = class == 6 and 'ambiguous' or 'max_failures'}
    end
    -- Tries that count nothing would go round for ever: their age bounds them.
    if not counts and now - r.first >= p.max_age_ms then return {to = FAILED, counted = false, why = 'max_age'} end
    local v = {counted = counts}
    local pause = class == 3 and MISCONFIGURED_PROBE
      or min(asked and asked > 0 and asked or DEFAULT_THROTTLE, MAX_THROTTLE)
    -- Pauses that are long enough do not add up.
    local own = delay(p.backoff, class == 2 and pause >= DEFAULT_THROTTLE and r.fail or r.ended, jitter)
    -- Never sooner than its own backoff, whatever the target says; the lane's pause is no longer for that.
    if effect == 1 and (class == 3 or own <= pause) then
      v.to, v.park, v.at = QUEUED, true, now + pause
    else
      v.to = RETRYING
      if effect == 1 then asked = nil end
      v.at = now + (asked and max(own, min(asked, MAX_THROTTLE)) or own)
    end
    -- A throttled target says when it is ready again; a misconfigured one may be mended at any moment.
    if class ~= 3 and r.exp and v.at > r.exp then return {to = EXPIRED, counted = counts, why = 'expired'} end
    return v
  end

  -- One more attempt in the log; the oldest go when it is full.
  local function log_append(log, a)
    local nil_ = cjson.null
    local text = cjson.encode({a.gen, a.att, a.started, a.ended, a.worker, a.outcome, a.class or nil_, a.counted and 1 or 0,
      a.message or nil_, a.code or nil_})
    if not log or #log <= 2 then return '[' .. text .. ']' end
    local _, n = string.gsub(log, '%],%[', '')
    if n + 2 <= MAX_ATTEMPTS_KEPT then return sub(log, 1, -2) .. ',' .. text .. ']' end
    -- Where each entry ends, past what stands in quotes: reading it all as JSON would take a hundred times as long.
    local ends, pos = {}, 2
    while pos do
      local at = string.find(log, '["%]]', pos)
      if not at or at == #log then break end
      if byte(log, at) == 93 then
        ends[#ends + 1] = at
        pos = at + 1
      else
        pos = at + 1
        while true do
          local q = string.find(log, '["\\\\]', pos)
          if byte(log, q) == 34 then pos = q + 1; break end
          pos = q + 2
        end
      end
    end
    local surplus = #ends + 1 - MAX_ATTEMPTS_KEPT
    if surplus <= 0 then return sub(log, 1, -2) .. ',' .. text .. ']' end
    return '[' .. sub(log, ends[surplus] + 2, -2) .. ',' .. text .. ']'
  end

  -- A run as a table.
  function rd_run(run)
    local t = {}
    t.token, t.flags, t.att, t.started, t.wk, t.lease, t.queue, t.lane, t.target, t.prio, t.gen =
      unp('>c16BI3I6I2I4I3I3I3BI2', run)
    return t
  end

  local function free_unique(key, r, kind)
    if band(r.B, 4) == 0 then return end
    local ext = cjson.decode(r.ext)
    local name = (ext.tenant or '') .. '\31' .. kind .. '\31' .. ext.unique
    local holder = call('HGET', P .. 'u', name)
    if holder and sub(holder, 7) == key and sub(holder, 1, 6) == '\0\0\0\0\0\0' then call('HDEL', P .. 'u', name) end
  end

  -- Books a task as final. `r` has its new state, `fin` and all else.
  local function store_final(key, r)
    call('HSET', P .. 't', key, wr(r))
    if r.state == SUCCEEDED then
      push_done({key})
    else
      call('ZADD', P .. (r.state == FAILED and 'f1' or 'f0'), r.fin, key)
      call('ZADD', P .. 'x:' .. r.state, created(key, r), key)
    end
  end

  local ENDED = {[SUCCEEDED] = 'suc', [FAILED] = 'fld', [CANCELLED] = 'can', [EXPIRED] = 'exp', [RETRYING] = 'rty'}

  local function task_end(to, why, class, message, code)
    local e = {reason = why, class = class, message = message or why or '', code = code}
    if to == CANCELLED then e.message = 'cancelled' end
    return cjson.encode(e)
  end

  -- Takes a task out of its run to wherever the verdict `v` says. `told`: outcome, class, message, code, whether its worker
  -- lost it, whether its worker put it off.
  function leave(key, run, r, v, told)
    call('HDEL', P .. 'run', key)
    call('ZREM', P .. 'ls', key)
    running(run.lane, run.target, -1)
    freed(run.lane, run.target, key)
    local class = told.class and CLASS[told.class]
    local logged = run.flags % 2 == 1 or told.class or told.said or v.to == SUCCEEDED
    if logged or v.why then
      local worker = call('HGET', P .. 'wt', run.wk) or 'unknown'
      if logged then
        r.log = log_append(r.log, {gen = r.gen, att = run.att, started = run.started, ended = now, worker = worker,
          outcome = told.outcome, class = told.class, counted = v.counted, message = told.message, code = told.code})
      end
      if told.class or v.why then r.err = task_end(v.to, v.why, class, told.message, told.code) end
    end
    if v.to == SUCCEEDED then r.err = nil end
    r.att = run.att
    if v.counted then r.fail = r.fail + 1 end
    -- Only an outcome makes a repeat `already settled`; a rescued worker is told it lost.
    if told.class and not told.lost or told.said or v.to == SUCCEEDED then r.nonce = sub(run.token, 9, 16) end
    local from_parked = r.parked
    if from_parked then call('ZREM', P .. 'exp', entry(key, r.gen) .. '\1') end
    r.parked = nil
    if v.to >= SUCCEEDED then
      if r.exp then call('ZREM', P .. 'exp', entry(key, r.gen) .. '\0') end
      free_unique(key, r, route(r.route).kind)
      r.state, r.fin, r.wk = v.to, now, run.wk
      r.took = min(max(0, now - run.started), NEVER - 1)
      if v.result then
        r.B = r.B + 32
        if #v.result > 4096 then
          r.B = r.B + 64
          call('SET', P .. 'o:' .. key, v.result)
        else
          r.result = v.result
        end
      end
      if v.held then r.B = r.B + 16 end
      store_final(key, r)
    else
      if told.class then r.ended = min(r.ended + 1, 255) end
      if v.rescued then r.resc = r.resc + 1 end
      if r.exp then call('ZADD', P .. 'exp', r.exp, entry(key, r.gen) .. '\0') end
      r.state = v.to
      if v.to == RETRYING then
        r.due = v.at
        call('ZADD', P .. 'due', v.at, due_member(key, r, run))
      else
        if v.park then
          r.parked, r.due = r.first + policy(r).max_age_ms, now
          call('ZADD', P .. 'exp', r.parked, entry(key, r.gen) .. '\1')
        end
        -- What is parked goes behind what waits: it is neither the probe of the pause that it caused nor first after it.
        ready(v.park and 'RPUSH' or 'LPUSH', run.queue, run.lane, run.target, r.prio, {entry(key, r.gen)})
      end
      call('HSET', P .. 't', key, wr(r))
    end
    count(run.queue, RUNNING, v.to, 1)
    -- Put off by its handler: nothing failed.
    if ENDED[v.to] and not (told.said and v.to == RETRYING) then point(run.queue, ENDED[v.to], 1) end
    point(run.queue, 'r' .. bucket(now - run.started), 1)
    if watched then event(key, r.route, v.to, run.att, r.gen, told.class, v.to == RETRYING and v.at or nil) end
  end

  -- Ends a try in failure, as the tables say. `f`: class, message, code, asked, jitter, what it shows of the lane, settings.
  function fail(key, run, r, f)
    local cancel = band(run.flags, 4) > 0
    local v = on_failure(r, f.class, f.asked, f.jitter, cancel)
    -- The target first: what is parked goes back behind a closed door.
    answered(run.target, key, f)
    leave(key, run, r, v, {outcome = cancel and 'cancelled' or 'failed', class = f.class, message = f.message, code = f.code})
    return v.to
  end

  -- Ends a try that shall be made again after `ms`, as if it had not been: core's `on_snooze`.
  function snooze(key, run, r, ms)
    local v, told = {counted = false}, {outcome = 'released', message = 'put off by its handler', said = true}
    if band(run.flags, 4) > 0 then
      v.to, v.why, told.outcome = CANCELLED, 'cancelled', 'cancelled'
    elseif now - r.first >= policy(r).max_age_ms then
      v.to, v.why = FAILED, 'max_age'
    elseif r.exp and now + ms > r.exp then
      v.to, v.why = EXPIRED, 'expired'
    else
      v.to, v.at = RETRYING, now + ms
    end
    leave(key, run, r, v, told)
    return v.to
  end

  -- Takes an entry out of the ready. Where a list or a ring is long it stays: whoever meets it passes over it.
  local function unlist(at, prio, e)
    local list = P .. 'r:' .. at.lane .. ':' .. prio
    local n = call('LLEN', list)
    if n > 128 then return end
    if n ~= 1 then
      call('LREM', list, 1, e)
      return
    end
    -- The last one goes with its lane: one that stayed in the ring without entries would enter it once more.
    local lanes, targets = P .. 'h:' .. at.target .. ':' .. prio, P .. 'g:' .. at.queue .. ':' .. prio
    if call('LLEN', lanes) > 128 or call('LLEN', targets) > 128 then return end
    if call('LREM', list, 1, e) == 1 then
      call('LREM', lanes, 1, at.lane)
      if call('EXISTS', lanes) == 0 then call('LREM', targets, 1, at.target) end
    end
  end

  -- Takes a task that waits out of wherever it waits. `r` is its record. Returns the state it was in.
  function leave_place(key, r, at)
    local from = QUEUED
    -- One that was imported may be queued and still among the due, by way of which it comes to its lane.
    if call('ZREM', P .. 'due', due_member(key, r, at)) == 1 then from = r.state end
    if from == QUEUED then unlist(at, r.prio, entry(key, r.gen)) end
    if r.exp then call('ZREM', P .. 'exp', entry(key, r.gen) .. '\0') end
    if r.parked then call('ZREM', P .. 'exp', entry(key, r.gen) .. '\1') end
    return from
  end

  -- Ends a task that waits. `r` is its record.
  function end_waiting(key, r, to, why, message)
    local at = route(r.route)
    local from = leave_place(key, r, at)
    free_unique(key, r, at.kind)
    -- What the last try said stays; the reason is new.
    local e = r.err and cjson.decode(r.err) or {message = ''}
    e.reason = why
    if e.message == '' or to == CANCELLED then e.message = message end
    r.err = cjson.encode(e)
    r.state, r.fin, r.wk, r.took = to, now, 0, NEVER
    r.parked = nil
    store_final(key, r)
    count(at.queue, from, to, 1)
    point(at.queue, ENDED[to], 1)
    if watched then event(key, r.route, to, r.att, r.gen) end
  end
end
