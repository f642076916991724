-- Shared by every script. KEYS[1] is `P m`; ARGV[1] says who calls, and `@<ms>` where a test gives the time.
-- Names looked up once: a global is looked up at each use.
local ARGV, tonumber, tostring, unpack, pairs, ipairs, next = ARGV, tonumber, tostring, unpack, pairs, ipairs, next
local call = redis.call
local sub, byte, char, concat = string.sub, string.byte, string.char, table.concat
local pack, unp = struct.pack, struct.unpack
local floor, min, max = math.floor, math.min, math.max
local band = bit.band
local P = sub(KEYS[1], 1, -2)
local caller, given = string.match(ARGV[1], '^([^@]*)@?(%d*)$')
local now = tonumber(given)
if not now then
  local t = call('TIME')
  now = t[1] * 1000 + floor(t[2] / 1000)
end
-- Nobody's first word: a store that was emptied under a living client is set up again before it is used.
local meta = call('HMGET', P .. 'm', 'schema', 'watch')
if not meta[1] then return {'INIT'} end
-- A program of another layout has taken over: this one must not touch what it does not know.
if meta[1] ~= SCHEMA then return {'SCHEMA', meta[1]} end
local watched = (tonumber(meta[2]) or 0) > now
-- Below the number of values that Lua unpacks at once.
local CHUNK = 3998

-- Calls `cmd key ...` with the values in chunks; `step` values belong together.
local function bulk(cmd, key, values)
  local n = #values
  if n == 0 then return 0 end
  if n <= CHUNK then return call(cmd, key, unpack(values)) end
  local r = 0
  for i = 1, n, CHUNK do r = call(cmd, key, unpack(values, i, min(i + CHUNK - 1, n))) end
  return r
end

-- The values of fields, in chunks.
local function hmget(key, fields)
  local n = #fields
  if n == 0 then return {} end
  if n <= CHUNK then return call('HMGET', key, unpack(fields)) end
  local out, o = {}, 0
  for i = 1, n, CHUNK do
    local part = call('HMGET', key, unpack(fields, i, min(i + CHUNK - 1, n)))
    for j = 1, #part do o = o + 1; out[o] = part[j] end
  end
  return out
end
