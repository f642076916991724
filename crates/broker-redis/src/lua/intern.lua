-- Gives routes their numbers. KEYS: P m. ARGV: clock; then `queue kind target tenant whose` each as five values: whose task names
-- it, empty for the installation's, `*` for a tenant's that was stored before.
-- Returns number and full text of each, or {'FULL', field} when there are too many, {'FULL', field, 'tenant'} when one tenant
-- names too many.
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

-- What a tenant's task names: `nt:<tenant>` kinds and queues, `lt:<tenant>` lanes, each with its last day; the day of the last
-- forgetting is in `nd`. Nothing, or the field that is one too many.
local function brought(whose, queue, kind, target, tenant)
  local names, lanes = P .. 'nt:' .. whose, P .. 'lt:' .. whose
  if tonumber(call('HGET', P .. 'nd', whose) or nil) ~= day then
    forget(names)
    forget(lanes)
    call('HSET', P .. 'nd', whose, day)
  end
  if not used(names, kind, MAX_TENANT_NAMES) then return 'kind' end
  if not used(names, queue, MAX_TENANT_NAMES) then return 'queue' end
  if target ~= '' and not used(lanes, queue .. ' ' .. target .. ' ' .. tenant, MAX_TENANT_LANES) then return 'lane' end
end

local out = {}
for i = 2, #ARGV, 5 do
  local queue, kind, target, tenant, whose = unpack(ARGV, i, i + 4)
  if whose ~= '' and whose ~= '*' then
    local full = brought(whose, queue, kind, target, tenant)
    if full then return {'FULL', full, 'tenant'} end
  end
  local n, field = route_no(queue, kind, target, tenant, whose ~= '')
  if not n then return {'FULL', field} end
  out[#out + 1] = n
  out[#out + 1] = call('HGET', P .. 'rt', n)
end
return out
