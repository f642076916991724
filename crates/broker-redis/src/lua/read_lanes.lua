-- Lanes that hold work, settings or running tasks. KEYS: P m. ARGV: clock; queue ('' is all); at most.
-- Returns {now, then of each lane: its line of `li`, its settings, its target's settings (nothing where there are none), running,
-- 1 if tasks wait}.
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

local function waits(lane)
  for prio = 0, 3 do
    if call('EXISTS', P .. 'r:' .. lane .. ':' .. prio) == 1 then return 1 end
  end
  return 0
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
  out[n + 5] = waits(lane)
end
return out
