-- Registers or renews a worker. KEYS: P m. ARGV: clock; worker id; registration ('' removes it); ms for which one is kept after
-- it was seen.
local id = ARGV[2]
if ARGV[3] == '' then
  call('HDEL', P .. 'w', id)
  call('ZREM', P .. 'ws', id)
  return 0
end
local silent = call('ZRANGEBYSCORE', P .. 'ws', '-inf', string.format('%.0f', now - tonumber(ARGV[4])), 'LIMIT', 0, 100)
for i = 1, #silent do
  call('HDEL', P .. 'w', silent[i])
  call('ZREM', P .. 'ws', silent[i])
end
call('HSET', P .. 'w', id, ARGV[3])
call('ZADD', P .. 'ws', string.format('%.0f', now), id)
return 1
