-- Shared by the scripts that read, and by those of records. KEYS[1] is `P m`; ARGV[1] ends in `@<ms>` where a test gives the
-- time. A shard that was never set up reads as an empty one.
local call = redis.call
local sub, byte = string.sub, string.byte
local unp = struct.unpack
local floor, min, max = math.floor, math.min, math.max
local P = sub(KEYS[1], 1, -2)
local now = tonumber(string.match(ARGV[1], '@(%d+)$'))
if not now then
  local t = call('TIME')
  now = t[1] * 1000 + floor(t[2] / 1000)
end
-- When a minted key was made.
local function minted_at(key)
  return floor(unp('>I6', key) / 64)
end

-- Below the number of values that Lua unpacks at once.
local CHUNK = 3998

-- The values of fields, in chunks.
local function hmget(key, fields, from, to)
  from, to = from or 1, to or #fields
  local out, o = {}, 0
  for i = from, to, CHUNK do
    local part = call('HMGET', key, unpack(fields, i, min(i + CHUNK - 1, to)))
    for j = 1, #part do o = o + 1; out[o] = part[j] end
  end
  return out
end
