-- Ids of a request whose tasks lie in several shards, settled before any is stored, so that a repeat stores the same.
-- KEYS: P m. ARGV: clock; reserve or complete; key; fingerprint; entries: to reserve `(len1 K)*`, to complete
-- `(len1 K dup1)*` or '' when nobody can ask again.
-- Reserve returns `N` reserved now, `V` and the entries reserved before, `R` and the entries stored before, `M` another
-- fingerprint. Complete returns 'OK'.
local what, name, fingerprint, entries = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local day = floor(now / 86400000)

local function find(kind)
  local value
  -- Tomorrow, too: the clock may have been set back over midnight.
  for d = day + 1, day - 1, -1 do value = value or call('HGET', P .. kind .. d, name) end
  if not value or unp('>I6', value) + IDEMPOTENCY_KEPT <= now then return nil end
  return value
end

if what == 'complete' then
  call('HDEL', P .. 'rsv:' .. day, name)
  call('HDEL', P .. 'rsv:' .. (day - 1), name)
  call('HDEL', P .. 'rsv:' .. (day + 1), name)
  if entries ~= '' then
    call('HDEL', P .. 'idem:' .. (day - 1), name)
    call('HSET', P .. 'idem:' .. day, name, pack('>I6', now) .. fingerprint .. entries)
  end
  return 'OK'
end
local value, tag = find('idem:'), 'R'
if not value then value, tag = find('rsv:'), 'V' end
if value then
  if sub(value, 7, 38) ~= fingerprint then return 'M' end
  return tag .. sub(value, 39)
end
call('HSET', P .. 'rsv:' .. day, name, pack('>I6', now) .. fingerprint .. entries)
return 'N'
