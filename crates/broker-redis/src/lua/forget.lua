-- How tasks go for good.

-- Takes tasks out of the lists of their batches, each of which goes as a whole once all of its tasks have gone.
local function leave_batches(batches)
  for name, keys in pairs(batches) do
    local list = P .. 'bl:' .. name
    local n = #keys - call('ZREM', P .. 'b:' .. name, unpack(keys))
    local length = n > 0 and call('LLEN', list) or 0
    if length > 0 and call('HINCRBY', P .. 'bg', name, n) >= length then
      call('DEL', list)
      call('HDEL', P .. 'bg', name)
    end
  end
end

-- Removes tasks that wait nowhere any more, and all that goes with them. `states`: of each key, its
-- state now, where that may differ from its record.
local function forget(keys, recs, states)
  local elders = call('EXISTS', P .. 'old') == 1
  local batches = {}
  local function one(key, rec)
    local A, B, S, n = unp('>BBBI3', rec)
    local at = route(n)
    local state = floor(S / 4)
    local final = state >= SUCCEEDED
    count(at.queue, states and states[key] or state, nil, 1)
    if final and band(B, 16) > 0 then
      local name = call('HGET', P .. 'hm', key)
      if name then
        call('HDEL', P .. 'rec:7', name)
        call('ZREM', P .. 'reci:7', name)
        call('HDEL', P .. 'hm', key)
      end
      count(at.queue, 'h', nil, 1)
    end
    if band(A, 16) > 0 then
      local ext = rd(rec, key).ext
      if band(B, 8) > 0 or string.find(ext, '"recipient":', 1, true) then
        ext = cjson.decode(ext)
        if ext.batch then
          local of = batches[ext.batch] or {}
          of[#of + 1], batches[ext.batch] = key, of
        end
        if ext.recipient and (elders or band(A, 2) > 0) then
          local _, set = hash_of(ext.recipient)
          call('ZREM', set, key)
        end
      end
    end
    if A >= 128 then call('DEL', P .. 'p:' .. key) end
    if final and B >= 64 then call('DEL', P .. 'o:' .. key) end
    if final and state ~= SUCCEEDED then call('ZREM', P .. 'x:' .. state, key) end
    if elders then call('ZREM', P .. 'old', key) end
  end
  -- A record that cannot be read leaves things behind, but holds up nothing.
  for i = 1, #keys do aside(one, keys[i], recs[i]) end
  leave_batches(batches)
  bulk('HDEL', P .. 't', keys)
end
