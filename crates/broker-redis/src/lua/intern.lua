-- Gives routes their numbers. KEYS: P m. ARGV: clock; then `queue kind target tenant whose` each as five values; whose is `*` where a
-- tenant's task names it, whose share is bounded by `brought.lua`.
-- Returns number and full text of each, or {'FULL', field} when there are too many.
local out = {}
for i = 2, #ARGV, 5 do
  local n, field = route_no(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4] ~= '')
  if not n then return {'FULL', field} end
  out[#out + 1] = n
  out[#out + 1] = call('HGET', P .. 'rt', n)
end
return out
