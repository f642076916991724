-- Lanes that hold work, settings or running tasks. KEYS: P m. ARGV: clock; queue ('' is all); at most.
-- Returns {now, then of each lane: its line of `li`, its settings, its target's settings (nothing where there are none), running,
-- since when the task has been due that waits longest of those at its front ('' if none waits, - if it is not among the first entries)}.
local wanted, most = ARGV[2], tonumber(ARGV[3])
local seen, lanes = {}, {}
local queue = wanted ~= '' and call('HGET', P .. 'q', wanted)
local out = {string.format('%.0f', now)}
if wanted ~= '' and not queue then return out end

local lines = {}
local function line(lane)
  local l = lines[lane]
  if l == nil then
    l = call('HGET', P .. 'li', lane)
    if l and queue and string.match(l, '^%d+') ~= queue then l = false end
    lines[lane] = l
  end
  return l
end

local function add(lane)
  lane = tonumber(lane)
  if lane and not seen[lane] and #lanes < most and line(lane) then
    seen[lane] = true
    lanes[#lanes + 1] = lane
  end
end

-- Lanes that are in a ring have a list of ready tasks.
local function from_rings()
  local queues = queue and {queue} or call('HKEYS', P .. 'qn')
  for i = 1, #queues do
    for prio = 0, 3 do
      local targets = call('LRANGE', P .. 'g:' .. queues[i] .. ':' .. prio, 0, most)
      for j = 1, #targets do
        if #lanes >= most then return end
        local ring = call('LRANGE', P .. 'h:' .. targets[j] .. ':' .. prio, 0, most)
        for k = 1, #ring do add(ring[k]) end
      end
    end
  end
end

-- The fields of a hash, a part at a time: there may be a million.
local function from_hash(key)
  local cursor, parts = '0', 0
  repeat
    local part = call('HSCAN', P .. key, cursor, 'COUNT', 500)
    cursor = part[1]
    for i = 1, #part[2], 2 do add(part[2][i]) end
    parts = parts + 1
  until cursor == '0' or #lanes >= most or parts >= 100
end

from_rings()
from_hash('rc')
from_hash('ln')
table.sort(lanes)

-- When a waiting task became due: its record says so, or it was due when its key was made.
local function due(key, rec)
  if byte(rec, 2) >= 128 then return minted_at(key) end
  return (unp('>I6', rec, 15))
end

-- Entries of tasks that were cancelled may stand before one that waits.
local LOOK = 16

local function since(lane)
  local first, any
  for prio = 0, 3 do
    local entries = call('LRANGE', P .. 'r:' .. lane .. ':' .. prio, 0, LOOK - 1)
    any = any or entries[1]
    for i = 1, #entries do
      local e = entries[i]
      local key = (#e == 12 or #e == 16) and e or sub(e, 1, -3)
      local rec = call('HGET', P .. 't', key)
      if rec and floor(byte(rec, 3) / 4) < 4 then
        local at = due(key, rec)
        if not first or at < first then first = at end
        break
      end
    end
  end
  return first and string.format('%.0f', first) or any and '-' or ''
end

for i = 1, #lanes do
  local lane = lanes[i]
  local l = line(lane)
  local target = string.match(l, '^%d+ (%d+)')
  local n = #out
  out[n + 1] = l
  out[n + 2] = call('HGET', P .. 'ln', lane)
  out[n + 3] = call('HGET', P .. 'ln', target)
  out[n + 4] = tonumber(call('HGET', P .. 'rc', lane) or nil) or 0
  out[n + 5] = since(lane)
end
return out
