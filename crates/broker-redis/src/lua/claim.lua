-- Who is served next, and starting them. Rings turn over targets, then over the lanes of a target; the highest
-- priority goes first, every eighth turn the lowest that is not empty.

-- Entries of a ring that one claim looks at; what is behind them comes to the front with the next.
local SCAN = 128

-- Scheduled and retrying tasks whose time has come become queued. Returns how many.
local function move_due(limit)
  local members = call('ZRANGEBYSCORE', P .. 'due', '-inf', now, 'LIMIT', 0, limit)
  local n = #members
  if n == 0 then return 0 end
  bulk('ZREM', P .. 'due', members)
  local lists, order = {}, {}
  for i = 1, n do
    local m = members[i]
    local key = sub(m, 1, -13)
    local gen, sp, queue, lane, target = unp('>I2BI3I3I3', m, #m - 11)
    local prio = sp % 4
    local id = lane .. ':' .. prio
    local l = lists[id]
    if not l then
      l = {queue = queue, lane = lane, target = target, prio = prio, entries = {}}
      lists[id] = l
      order[#order + 1] = l
    end
    l.entries[#l.entries + 1] = entry(key, gen)
    count(queue, floor(sp / 4), QUEUED, 1)
    if watched then
      local rec = call('HGET', P .. 't', key)
      aside(function()
        if not rec then return end
        local r = rd(rec, key)
        event(key, r.route, QUEUED, r.att, r.gen)
      end)
    end
  end
  for i = 1, #order do
    local l = order[i]
    ready('RPUSH', l.queue, l.lane, l.target, l.prio, l.entries)
  end
  return n
end

-- A ring as a queue in memory. `store` writes back what has turned.
local function load_ring(name)
  local list = call('LRANGE', name, 0, SCAN - 1)
  return {name = name, n = #list, first = 1, last = #list, list = list, aside = {}}
end

local function store_ring(ring)
  local new = {}
  for i = ring.first, ring.last do new[#new + 1] = ring.list[i] end
  for i = 1, #ring.aside do new[#new + 1] = ring.aside[i] end
  if ring.n < SCAN and #new == ring.n then
    local same = true
    for i = 1, #new do
      if new[i] ~= ring.list[i] then same = false; break end
    end
    if same then return end
  end
  if ring.n > 0 then call('LTRIM', ring.name, ring.n, -1) end
  bulk('RPUSH', ring.name, new)
end

-- Targets whose probe this call has started: its run is written at the end.
local probing = {}

-- How many tasks of a target may start now, what this claim has planned left out.
local function target_room(target)
  if not any_settings then return math.huge end
  local s = settings(target)
  if s == PLAIN then return math.huge end
  if lasts(s.manual) then return 0 end
  local room = math.huge
  if s.auto then
    if lasts(s.auto) then return 0 end
    -- Half-open: one task finds out.
    if s.auto.reason ~= 'throttled' then 
      local probe = call('HGET', P .. 'pb', target)
      -- One whose try is over is none, whatever was left of it.
      room = (probing[target] or probe and call('HEXISTS', P .. 'run', probe) == 1) and 0 or 1
    end
  end
  if s.conc then room = min(room, max(0, (s.sconc or s.conc) - running_of('t' .. target))) end
  if s.rate then room = min(room, starts_left(target, s)) end
  return room
end

local function lane_room(lane, target)
  if lane == target or not any_settings then return math.huge end
  local s = settings(lane)
  if s == PLAIN then return math.huge end
  if lasts(s.manual) then return 0 end
  local room = math.huge
  if s.conc then room = min(room, max(0, (s.sconc or s.conc) - running_of(lane))) end
  if s.rate then room = min(room, starts_left(lane, s)) end
  return room
end

-- How many looks it takes to go once round a ring of which more is there than one look sees.
local function round(ring)
  if ring.n < SCAN then return 1 end
  return math.ceil(call('LLEN', ring.name) / SCAN)
end

-- Plans up to `want` turns of a queue: a list of {lane, target, prio, n}, and how many looks go once round its rings.
-- `quota` is what the worker may take per target.
local function plan(queue, want, quota)
  local turns, rings, lane_rings, rooms, lens = {}, {}, {}, {}, {}
  local filled, looks = 0, 1
  for p = 0, 3 do
    rings[p] = load_ring(P .. 'g:' .. queue .. ':' .. p)
    if rings[p].n > 0 then filled = filled + 1 end
  end
  if filled == 0 then return turns, 1 end
  local first_turn = tonumber(call('HGET', P .. 'm', 'turn:' .. queue)) or 0
  local turn = first_turn

  local function room_of(target)
    local r = rooms[target]
    if not r then
      r = target_room(target)
      -- The bulkhead is for lanes with a key: a default lane has no target to protect others from. It has its queue's number,
      -- which tells nothing by its size: a queue that a tenant named first has one from the lanes'.
      if quota.per and target ~= tostring(queue) then r = min(r, max(0, quota.per - (quota.held[target] or 0))) end
      rooms[target] = r
    end
    return r
  end

  local function lane_ring(target, p)
    local id = target .. ':' .. p
    local ring = lane_rings[id]
    if not ring then
      ring = load_ring(P .. 'h:' .. id)
      lane_rings[id] = ring
    end
    return ring
  end

  local function len_of(lane, p)
    local id = lane .. ':' .. p
    if not lens[id] then lens[id] = call('LLEN', P .. 'r:' .. id) end
    return lens[id]
  end

  -- The next lane of a target that may start something, and how many. It is at the head of its ring then.
  local function lane_of(target, p)
    local ring = lane_ring(target, p)
    while ring.first <= ring.last do
      local lane = ring.list[ring.first]
      if len_of(lane, p) == 0 then
        ring.first = ring.first + 1
      else
        local id = 'l' .. lane
        if not rooms[id] then rooms[id] = lane_room(lane, target) end
        if rooms[id] > 0 then return ring, lane, rooms[id] end
        ring.aside[#ring.aside + 1] = lane
        ring.first = ring.first + 1
      end
    end
    return ring, nil, 0
  end

  local function turn_at(p)
    local ring = rings[p]
    while ring.first <= ring.last do
      local target = ring.list[ring.first]
      local room = room_of(target)
      if room > 0 then
        local lr, lane, most = lane_of(target, p)
        if lane then return ring, lr, lane, target, min(room, most) end
        -- A target none of whose lanes holds anything leaves; what is only held up stays.
        if #lr.aside > 0 or lr.n == SCAN then ring.aside[#ring.aside + 1] = target end
      else
        ring.aside[#ring.aside + 1] = target
      end
      ring.first = ring.first + 1
    end
    return nil
  end

  local left = want
  while left > 0 do
    turn = turn + 1
    local low = turn % LOW_PRIORITY_TURN == 0
    local served = false
    for i = 0, 3 do
      local p = low and 3 - i or i
      local ring, lr, lane, target, most = turn_at(p)
      if ring then
        local waiting = len_of(lane, p)
        local alone = ring.first == ring.last and #ring.aside == 0 and lr.first == lr.last and #lr.aside == 0
        for other = 0, 3 do
          if other ~= p and rings[other].first <= rings[other].last then alone = false end
        end
        local n = min(left, waiting, alone and most or 1)
        turns[#turns + 1] = {lane = lane, target = target, prio = p, n = n}
        left = left - n
        rooms[target] = rooms[target] - n
        rooms['l' .. lane] = rooms['l' .. lane] - n
        quota.held[target] = (quota.held[target] or 0) + n
        lens[lane .. ':' .. p] = waiting - n
        -- Turn the rings.
        lr.first = lr.first + 1
        if waiting > n then
          lr.last = lr.last + 1
          lr.list[lr.last] = lane
        end
        ring.first = ring.first + 1
        if lr.first <= lr.last or #lr.aside > 0 or lr.n == SCAN then
          ring.last = ring.last + 1
          ring.list[ring.last] = target
        end
        served = true
        break
      end
    end
    if not served then break end
  end
  for p = 0, 3 do
    store_ring(rings[p])
    looks = max(looks, round(rings[p]))
  end
  for _, ring in pairs(lane_rings) do
    store_ring(ring)
    looks = max(looks, round(ring))
  end
  if turn ~= first_turn then call('HSET', P .. 'm', 'turn:' .. queue, turn % 8) end
  return turns, looks
end

-- The number of a worker; few enough that they fit two bytes, reused round.
local me_no
local function worker_no(id)
  local n = call('HGET', P .. 'wn', id)
  if n then return tonumber(n) end
  n = call('HINCRBY', P .. 'm', 'nw', 1) % 65536
  local old = call('HGET', P .. 'wt', n)
  if old then call('HDEL', P .. 'wn', old) end
  call('HSET', P .. 'wt', n, id)
  call('HSET', P .. 'wn', id, n)
  return n
end

-- Hands out work. `arg` is where its arguments begin, see work.lua.
local function claim(arg)
  local worker, nonce, want, start, lease, per =
    ARGV[arg], ARGV[arg + 1], tonumber(ARGV[arg + 2]), tonumber(ARGV[arg + 3]), tonumber(ARGV[arg + 4]), ARGV[arg + 6]
  local quota = {per = per ~= '' and tonumber(per) or nil, held = {}}
  local nheld = tonumber(ARGV[arg + 7])
  arg = arg + 8
  for _ = 1, nheld do
    local target = call('HGET', P .. 'l', ARGV[arg])
    if target then quota.held[target] = (quota.held[target] or 0) + tonumber(ARGV[arg + 1]) end
    arg = arg + 2
  end
  -- Whoever asks for work brings in what has become due: no sweep needs to come by first.
  move_due(TICK_BATCH)
  local out, no, started, bytes, passed, expired, more = {}, 0, 0, 0, 0, 0, 0
  -- So many looks that hand out nothing have seen all.
  local round_trip = 1
  local token, epoch, me
  local run, leases = {}, {}
  -- As a text: a number would be printed anew for each task.
  local deadline = string.format('%.0f', now + max(1, lease))
  local waits, named = {}, {}
  local queues = tonumber(ARGV[arg])
  for _ = 1, queues do
    arg = arg + 1
    local queue = call('HGET', P .. 'q', ARGV[arg])
    local paused = queue and call('HGET', P .. 'qp', queue)
    local shut = not queue or paused and lasts(cjson.decode(paused))
    while not shut and started < want do
      -- Any number may have expired since the last sweep: one call passes over a sweep's worth.
      if passed + want - started > TICK_BATCH or bytes > MAX_REPLY then
        -- Ending tasks is work: who passed over many that had expired comes again when it is rung.
        more = expired * 2 > passed and 4 or 1
        break
      end
      local turns, looks = plan(queue, want - started, quota)
      if #turns == 0 then
        round_trip = max(round_trip, looks)
        break
      end
      local sums, popped, keys = {}, {}, {}
      for i = 1, #turns do
        local t = turns[i]
        local id = t.lane .. ':' .. t.prio
        sums[id] = (sums[id] or 0) + t.n
      end
      for id, n in pairs(sums) do
        local entries = call('LPOP', P .. 'r:' .. id, n)
        popped[id] = {at = 1, entries = entries or {}, first = #keys}
        for i = 1, #popped[id].entries do keys[#keys + 1] = (of_entry(entries[i])) end
      end
      local recs = hmget(P .. 't', keys)
      local unused = {}
      for i = 1, #turns do
        local t = turns[i]
        local q = popped[t.lane .. ':' .. t.prio]
        local place = pack('>I3I3I3B', tonumber(queue), tonumber(t.lane), tonumber(t.target), t.prio)
        local begun = 0
        local texts = {}
        local target_settings = settings(t.target)
        local finds_out = target_settings.auto and target_settings.auto.reason ~= 'throttled'
        for _ = 1, t.n do
          local e = q.entries[q.at]
          if not e or bytes > MAX_REPLY then break end
          local rec = recs[q.first + q.at]
          q.at = q.at + 1
          local key, gen = of_entry(e)
          local A, B, S, g1, g2, a1, a2, a3, _
          local short = rec and #rec < 14
          if rec and not short then
            A, B, S, _, _, _, g1, g2, a1, a2, a3 = byte(rec, 1, 11)
            short = B < 128 and #rec < (A % 2 == 1 and 32 or 26)
          end
          local big
          if rec and not short and A >= 128 then big = call('GET', P .. 'p:' .. key) end
          -- Cancelled, retried or pruned since: an entry of the past.
          if short then
            -- Nothing more is known of it, and it must not hold up the others.
            redis.log(redis.LOG_WARNING, 'posthaste: the record of task ' .. hex(key) .. ' cannot be read: it is left out')
            passed = passed + 1
          elseif not rec or S >= 16 or g1 * 256 + g2 ~= gen then
            passed = passed + 1
          elseif A % 2 == 1 and unp('>I6', rec, 27) <= now then
            load_ending()
            aside(end_waiting, key, rd(rec, key), EXPIRED, 'expired', 'expired before it could be run')
            expired = expired + 1
            passed = passed + 1
          elseif A >= 128 and not big then
            load_ending()
            aside(end_waiting, key, rd(rec, key), FAILED, 'permanent', 'its payload is gone from Redis: is its eviction policy noeviction?')
            passed = passed + 1
          else
            if not token then
              epoch = call('HINCRBY', P .. 'm', 'tok', 1)
              token = pack('>I8', epoch) .. nonce
              me_no = worker_no(worker)
              me = pack('>I6I2I4', now, me_no, min(lease, 4294967295))
            end
            started = started + 1
            begun = begun + 1
            local att = a1 * 65536 + a2 * 256 + a3 + 1
            -- Nearly all tasks of a turn run alike, so what is written of them is the same text.
            local alike = (started <= start and 1 or 0) + 2 * att + gen * 33554432
            local text = texts[alike]
            if not text then
              text = token .. char(started <= start and 1 or 0) .. pack('>I3', att) .. me .. place .. pack('>I2', gen)
              texts[alike] = text
            end
            run[2 * started - 1], run[2 * started] = key, text
            leases[2 * started - 1], leases[2 * started] = deadline, key
            local name = key
            if big then name = char(#key) .. key .. big end
            bytes = bytes + #rec + #name
            out[no + 1], out[no + 2] = name, rec
            no = no + 2
            -- Tasks that came together were due together: their wait is worked out once.
            local fresh = B >= 128
            named[sub(rec, 4, 6)] = true
            local due = fresh and sub(key, 1, 6) or sub(rec, 15, 20)
            local w = waits[due]
            if not w then
              w = {b = 'w' .. bucket(now - (fresh and minted_at(due) or unp('>I6', due))), n = 0}
              waits[due] = w
            end
            w.n = w.n + 1
            if finds_out then
              call('HSET', P .. 'pb', t.target, key)
              probing[t.target] = true
            end
            if watched then event(key, unp('>I3', rec, 4), RUNNING, att, gen) end
          end
        end
        for _, w in pairs(waits) do
          if w.n > 0 then point(queue, w.b, w.n) end
          w.n = 0
        end
        if begun > 0 then
          running(t.lane, t.target, begun)
          count(queue, QUEUED, RUNNING, begun)
          point(queue, 'clm', begun)
          use_starts(t.target, settings(t.target), begun)
          if t.lane ~= t.target then use_starts(t.lane, settings(t.lane), begun) end
        end
        quota.held[t.target] = quota.held[t.target] - (t.n - begun)
      end
      -- What did not fit the reply goes back to where it was.
      for id, q in pairs(popped) do
        local n = #q.entries
        if q.at <= n then
          local back = {}
          for i = n, q.at, -1 do back[#back + 1] = q.entries[i] end
          local lane, prio = string.match(id, '^(%d+):(%d)$')
          local target
          for i = 1, #turns do
            if turns[i].lane == lane then target = turns[i].target end
          end
          ready('LPUSH', queue, lane, target, prio, back)
          more = 1
        end
      end
      -- The next plan counts what runs.
      if any_settings then flush_runs() end
    end
  end
  bulk('HSET', P .. 'run', run)
  bulk('ZADD', P .. 'ls', leases)
  save_buckets()
  -- Who has more to hand out than it hands out here rings on.
  if started >= want then
    for i = 0, queues - 1 do
      local queue = call('HGET', P .. 'q', ARGV[arg - i])
      for p = 0, 3 do
        if queue and call('EXISTS', P .. 'g:' .. queue .. ':' .. p) == 1 then ring_on = true; break end
      end
      if ring_on then break end
    end
  end
  -- What the routes are called that were handed out: the caller may know them from a store that is no more.
  local names = {}
  for n in pairs(named) do names[#names + 1] = unp('>I3', n) end
  local known = hmget(P .. 'rt', names)
  local told = {}
  for i = 1, #names do told[2 * i - 1], told[2 * i] = names[i], known[i] end
  -- Beyond the flags of `more`: how many looks go round.
  return epoch or 0, more + 8 * round_trip, out, me_no or 0, told
end
