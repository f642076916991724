-- The workers that were seen lately. KEYS: P m. ARGV: clock; ms for which one is shown after it was seen.
-- Returns of each: its registration, when it was seen.
local ids = call('ZRANGEBYSCORE', P .. 'ws', string.format('(%.0f', now - tonumber(ARGV[2])), '+inf', 'WITHSCORES')
local out = {}
for i = 1, #ids, 2 do
  local text = call('HGET', P .. 'w', ids[i])
  if text then
    out[#out + 1], out[#out + 2] = text, ids[i + 1]
  end
end
return out
