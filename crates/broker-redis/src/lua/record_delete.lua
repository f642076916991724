-- Deletes a record. KEYS: P m. ARGV: clock; kind; name; what is expected ('' anything, 0 nothing, else this version).
-- Returns {1, version it had (0: there was none)}, or {0, version found (0: none)}: nothing was deleted.
local key, name, expect = P .. 'rec:' .. ARGV[2], ARGV[3], tonumber(ARGV[4])
local old = call('HGET', key, name)
local version = old and unp('>I6', old) or 0
if expect and expect ~= version then return {0, version} end
if old then
  call('HDEL', key, name)
  call('ZREM', P .. 'reci:' .. ARGV[2], name)
end
return {1, version}
