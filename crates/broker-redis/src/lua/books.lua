-- What a call does to counters, series, running numbers, events and the bell, written once at its end.
local counts, points, runs, events, wake = {}, {}, {}, {}, false
-- Whether others should look for work although nothing became claimable just now.
local ring_on = false

-- Moves `n` tasks of a queue between counters; either may be nil.
local function count(queue, from, to, n)
  if from then
    local f = queue .. ':' .. from
    counts[f] = (counts[f] or 0) - n
  end
  if to then
    local f = queue .. ':' .. to
    counts[f] = (counts[f] or 0) + n
  end
end

local function point(queue, name, n)
  local p = points[queue]
  if not p then p = {}; points[queue] = p end
  p[name] = (p[name] or 0) + n
end

-- Calls what may meet a record that cannot be read, so that it stops nothing but itself. Whether it came to its end.
local function aside(f, ...)
  local ok, err = pcall(f, ...)
  if not ok then
    redis.log(redis.LOG_WARNING, 'posthaste: ' .. tostring(type(err) == 'table' and err.err or err))
  end
  return ok
end

-- Bucket i counts durations below 2^i ms, the last one the rest.
local function bucket(ms)
  if ms < 1 then return 0 end
  local _, e = math.frexp(ms)
  return min(e, 23)
end

local function running(lane, target, n)
  runs[lane] = (runs[lane] or 0) + n
  if lane ~= target then runs[target] = runs[target] or 0 end
  local t = 't' .. target
  runs[t] = (runs[t] or 0) + n
end

local function hex(s)
  return (string.gsub(s, '.', function(c) return string.format('%02x', byte(c)) end))
end

-- Notes a change of state for watchers; call only while somebody watches.
local function event(key, route, state, attempt, generation, class, next_at)
  events[#events + 1] = string.format('["%s",%d,%d,%.0f,%d,%d,%s,%s]', hex(key), route, state, now, attempt,
    generation, class and tostring(class) or 'null', next_at and string.format('%.0f', next_at) or 'null')
end

local function flush_runs()
  for f, n in pairs(runs) do
    if n ~= 0 then
      if call('HINCRBY', P .. 'rc', f, n) <= 0 then call('HDEL', P .. 'rc', f) end
    end
  end
  runs = {}
end

local function flush()
  flush_runs()
  if next(counts) == nil and next(points) == nil and #events == 0 and not wake and not ring_on then return 0 end
  for f, n in pairs(counts) do
    if n ~= 0 then call('HINCRBY', P .. 'c', f, n) end
  end
  local minute = floor(now / 60000)
  local hour = floor(minute / 60)
  local key = P .. 's:' .. hour
  for queue, p in pairs(points) do
    local head = (minute % 60) .. ':' .. queue .. ':'
    for name, n in pairs(p) do
      if call('HINCRBY', key, head .. name, n) == n then call('ZADD', P .. 'sh', hour, hour) end
    end
  end
  if #events > 0 then call('SPUBLISH', P .. 'ev', '[' .. concat(events, ',') .. ']') end
  -- One ring is enough for all that sleep: who finds more than it takes rings on.
  if (wake or ring_on) and call('LLEN', P .. 'bell') < 2 then call('RPUSH', P .. 'bell', caller) end
  counts, points, events = {}, {}, {}
  return wake and 1 or 0
end
