-- Sets up a shard that is new, or tells what an old one was set up as. KEYS: P m. ARGV: clock; schema; shards.
-- Returns {schema, shards} as they are now.
redis.call('HSETNX', KEYS[1], 'shards', ARGV[3])
redis.call('HSETNX', KEYS[1], 'schema', ARGV[2])
return redis.call('HMGET', KEYS[1], 'schema', 'shards')
