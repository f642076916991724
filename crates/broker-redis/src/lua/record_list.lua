-- Records of a kind by name. KEYS: P m. ARGV: clock; kind; 1 from the largest name; the name to go on from, with `(` before it ('' is
-- from the end); at most.
-- Returns of each: name, stored form.
local index, hash = P .. 'reci:' .. ARGV[2], P .. 'rec:' .. ARGV[2]
local names
if ARGV[3] == '1' then
  names = call('ZREVRANGEBYLEX', index, ARGV[4] == '' and '+' or ARGV[4], '-', 'LIMIT', 0, ARGV[5])
else
  names = call('ZRANGEBYLEX', index, ARGV[4] == '' and '-' or ARGV[4], '+', 'LIMIT', 0, ARGV[5])
end
local stored, out = hmget(hash, names), {}
for i = 1, #names do
  if stored[i] then
    out[#out + 1], out[#out + 2] = names[i], stored[i]
  end
end
return out
