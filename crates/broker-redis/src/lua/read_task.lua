-- What lies around the record of a task. The layout is in docs/adr/0005-redis-layout.md.
local QUEUED, RUNNING, RETRYING, SUCCEEDED = 1, 2, 3, 4
local routes = {}

-- queue#, lane#, target#, and the names of queue and kind.
local function route(n)
  local r = routes[n]
  if not r then
    local text = call('HGET', P .. 'rt', n) or ''
    local queue, lane, target, name, kind = string.match(text, '^(%d+) (%d+) (%d+) (%S+) (%S+)')
    r = {queue = tonumber(queue) or 0, lane = tonumber(lane) or 0, target = tonumber(target) or 0, name = name, kind = kind}
    routes[n] = r
  end
  return r
end

-- The state of a task. A record keeps `scheduled` or `retrying` after its time has come: then it is not in `due` any more.
local function state_of(key, rec, run)
  if run then return RUNNING end
  local place = byte(rec, 3)
  local state = floor(place / 4)
  if state ~= QUEUED and state < SUCCEEDED then
    local n, gen = unp('>I3I2', rec, 4)
    local r = route(n)
    local member = key .. struct.pack('>I2BI3I3I3', gen, place, r.queue, r.lane, r.target)
    if not call('ZSCORE', P .. 'due', member) then return QUEUED end
  end
  return state
end

-- Appends what a reader of a task needs: state, record, run, name of its worker, payload and result from keys of their own.
local function tell(out, key, rec, run, bodies)
  local n = #out
  out[n + 1] = state_of(key, rec, run)
  out[n + 2] = rec
  out[n + 3] = run
  -- Who runs it, or ran it last.
  local worker
  if run then
    worker = unp('>I2', run, 27)
  elseif byte(rec, 3) >= SUCCEEDED * 4 then
    worker = unp('>I2', rec, 29)
  end
  out[n + 4] = worker and call('HGET', P .. 'wt', worker) or false
  local A, B = byte(rec, 1, 2)
  out[n + 5] = bodies and A >= 128 and call('GET', P .. 'p:' .. key) or false
  out[n + 6] = bodies and B % 128 >= 64 and call('GET', P .. 'o:' .. key) or false
end
