-- Notes what tasks of tenants name, in the shard of each tenant. KEYS: P m. ARGV: clock; then `tenant queue kind target share` each
-- as five values. `nt:<tenant>` holds kinds and queues, `lt:<tenant>` lanes, each with its last day; `nd` the day of each tenant's last
-- forgetting. Returns {} or {'FULL', field} when one tenant names too many.
local day = floor(now / 86400000)

-- Forgets what a tenant has not used for a week.
local function forget(key)
  local all, old = call('HGETALL', key), {}
  for i = 1, #all, 2 do
    if tonumber(all[i + 1]) < day - BROUGHT_DAYS then old[#old + 1] = all[i] end
  end
  bulk('HDEL', key, old)
end

-- Notes a name as used today; false when it is one more than a tenant may use.
local function used(key, text, most)
  if call('HEXISTS', key, text) == 0 and call('HLEN', key) >= most then return false end
  call('HSET', key, text, day)
  return true
end

for i = 2, #ARGV, 5 do
  local tenant, queue, kind, target, share = unpack(ARGV, i, i + 4)
  local names, lanes = P .. 'nt:' .. tenant, P .. 'lt:' .. tenant
  if tonumber(call('HGET', P .. 'nd', tenant) or nil) ~= day then
    forget(names)
    forget(lanes)
    call('HSET', P .. 'nd', tenant, day)
  end
  if not used(names, kind, MAX_TENANT_NAMES) then return {'FULL', 'kind'} end
  if not used(names, queue, MAX_TENANT_NAMES) then return {'FULL', 'queue'} end
  if target ~= '' and not used(lanes, queue .. ' ' .. target .. ' ' .. share, MAX_TENANT_LANES) then return {'FULL', 'lane'} end
end
return {}
