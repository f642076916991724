-- Settings of lanes and targets, rates, the breaker. Settings are JSON in `ln`; nearly always there are none.
-- {"rate","per","conc": limits; "srate","sper","sconc": this shard's share of them, if there are several; "manual","auto": pauses {"reason","until","since","message","settings"}; "strikes","opens"}
local any_settings = call('EXISTS', P .. 'ln') == 1
local lane_settings = {}
local PLAIN = {}

local function settings(lane)
  if not any_settings then return PLAIN end
  local s = lane_settings[lane]
  if not s then
    local text = call('HGET', P .. 'ln', lane)
    s = text and cjson.decode(text) or PLAIN
    lane_settings[lane] = s
  end
  return s
end

local function save(lane, s)
  if next(s) == nil then
    call('HDEL', P .. 'ln', lane)
  else
    call('HSET', P .. 'ln', lane, cjson.encode(s))
    any_settings = true
  end
  lane_settings[lane] = s
end

-- A copy that may be changed.
local function copy(s)
  local c = {}
  for k, v in pairs(s) do c[k] = v end
  return c
end

local function lasts(pause)
  return pause and (not pause['until'] or pause['until'] > now)
end

-- Rates: a bucket that empties with time.
local buckets, buckets_changed = {}, {}

local function level(lane, s)
  local b = buckets[lane]
  if not b then
    local text = call('HGET', P .. 'bk', lane)
    b = {0, now}
    if text then
      local used, at = string.match(text, '^(%S+) (%S+)$')
      b = {tonumber(used), tonumber(at)}
    end
    buckets[lane] = b
  end
  -- A clock that was set back has let no time pass, and lets it pass again from now on.
  if b[2] > now then
    b[2] = now
    buckets_changed[lane] = true
  end
  local rate, per = s.srate or s.rate, s.srate and s.sper or s.per
  return max(0, b[1] - (now - b[2]) / per * rate)
end

local function starts_left(lane, s)
  -- A hair of tolerance, so that ten steps of a tenth make a whole.
  return max(0, floor((s.srate or s.rate) - level(lane, s) + 1e-9))
end

local function use_starts(lane, s, n)
  if not s.rate then return end
  buckets[lane] = {max(0, level(lane, s) + n), now}
  buckets_changed[lane] = true
end

local function save_buckets()
  for lane in pairs(buckets_changed) do
    local b = buckets[lane]
    call('HSET', P .. 'bk', lane, string.format('%.17g %.0f', b[1], b[2]))
  end
  buckets_changed = {}
end

local function running_of(field)
  return tonumber(call('HGET', P .. 'rc', field)) or 0
end

-- What outcomes did to pauses: of each the number of the outcome that is being settled, the pause in force as JSON ('' when it
-- ended), why it was paused before ('' if it was not).
local lane_news, settling = {}, nil

-- A try of a target ended: in success (f nil) or in a failure: its class, what it shows of the lane beside that (2 or 3, as a
-- class), a delay asked for in ms, a message, under which settings. `key` is the task.
local function answered(target, key, f)
  if f == nil and not any_settings then return end
  local old = settings(target)
  if f == nil and not old.auto and not old.strikes and not old.opens then return end
  local s = copy(old)
  local probe = any_settings and call('HGET', P .. 'pb', target) == key
  local class = f and (f.fault or f.class)
  if class == 2 or class == 3 then
    local ends
    if class == 3 then
      ends = now + MISCONFIGURED_PROBE
    else
      -- Zero, or a date that has passed, says nothing.
      ends = now + min((f.asked or 0) > 0 and f.asked or DEFAULT_THROTTLE, MAX_THROTTLE)
    end
    -- The latest end wins, unless this is the probe that found out what is true now.
    if probe or not s.auto or not s.auto['until'] or s.auto['until'] <= ends then
      s.auto = {reason = class == 2 and 'throttled' or 'misconfigured', ['until'] = ends, since = now, message = f.message,
        settings = class == 3 and f.settings or nil}
    end
  elseif class == 1 then
    s.strikes = (s.strikes or 0) + 1
    -- A throttle that is over holds nothing up, though its record stays until the next answer.
    local open = not probe and s.auto and (s.auto.reason ~= 'throttled' or lasts(s.auto))
    if not open and (probe or s.strikes >= BREAKER_THRESHOLD) then
      local wait = min(BREAKER_BASE * 2 ^ min(s.opens or 0, 16), BREAKER_CAP)
      s.opens = (s.opens or 0) + 1
      s.auto = {reason = 'breaker', ['until'] = now + wait, since = now, message = f.message}
    end
  else
    -- It answered: whatever it said about this one task, it is there and takes us.
    s.strikes, s.opens = nil, nil
    if not (s.auto and s.auto.reason == 'throttled' and lasts(s.auto)) then
      s.auto = nil
      call('HDEL', P .. 'pb', target)
      wake = true
    end
  end
  if settling and s.auto ~= old.auto then
    local n = #lane_news
    lane_news[n + 1] = settling
    lane_news[n + 2] = s.auto and cjson.encode(s.auto) or ''
    lane_news[n + 3] = old.auto and old.auto.reason or ''
  end
  save(target, s)
end

-- A try of a lane is over: its place and its target's probe are free.
local function freed(lane, target, key)
  if not any_settings then return end
  if settings(lane).conc or settings(target).conc then wake = true end
  if call('HGET', P .. 'pb', target) == key then call('HDEL', P .. 'pb', target) end
end
