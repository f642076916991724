-- Sets up a shard that is new, or tells what an old one was set up as. KEYS: P m. ARGV: clock; schema; shards.
-- Returns {schema, shards} as they are now.
local P = string.sub(KEYS[1], 1, -2)
local found = redis.call('HGET', KEYS[1], 'schema')
if found and found ~= ARGV[2] then return {found, redis.call('HGET', KEYS[1], 'shards') or '0'} end
-- One long entry each keeps these from the compact encoding, whose every step looks through all that run.
local long = string.rep('-', 80)
redis.call('HSET', P .. 'run', '-', long)
redis.call('ZADD', P .. 'ls', '+inf', long)
redis.call('HSETNX', KEYS[1], 'shards', ARGV[3])
redis.call('HSETNX', KEYS[1], 'schema', ARGV[2])
return redis.call('HMGET', KEYS[1], 'schema', 'shards')
