-- Stores a record. KEYS: P m. ARGV: clock; kind; name; what is expected ('' anything, 0 nothing, else this version); body.
-- Returns {1, new version}, or {0, version found (0: none)}: nothing was stored.
local key, name, expect = P .. 'rec:' .. ARGV[2], ARGV[3], tonumber(ARGV[4])
local old = call('HGET', key, name)
local version = old and unp('>I6', old) or 0
if expect and expect ~= version then return {0, version} end
version = version + 1
call('HSET', key, name, struct.pack('>I6I6', version, now) .. ARGV[5])
-- All of one score, so that they stand by their names' bytes.
call('ZADD', P .. 'reci:' .. ARGV[2], 0, name)
return {1, version}
