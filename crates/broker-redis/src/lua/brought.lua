-- Notes what tasks of tenants name, in the shard of each tenant. KEYS: P m. ARGV: clock; then `tenant queue kind target share own`
-- each as six values; own is `q` where every installation has the queue, `k` where it has the kind, or both: nobody
-- brings those. `nt:<tenant>` holds kinds and queues, `lt:<tenant>` lanes, `xt:<tenant>` routes, each with its last day;
-- `nd:<tenant>` the day of the last forgetting. Returns {} or {'FULL', what, which, what, which …} of all that one tenant names too
-- much in; `which` of the sixes it is counts from 0.
local day = floor(now / 86400000)
-- A tenant that has left leaves nothing: by then the rule below has forgotten all of it.
local KEPT = (BROUGHT_DAYS + 1) * 86400

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
  call('EXPIRE', key, KEPT)
  return true
end

-- Notes all that one task names; what there are too many of, if there are.
local function bring(tenant, queue, kind, target, share, own)
  local names, lanes, routes = P .. 'nt:' .. tenant, P .. 'lt:' .. tenant, P .. 'xt:' .. tenant
  local swept = P .. 'nd:' .. tenant
  if tonumber(call('GET', swept) or nil) ~= day then
    forget(names)
    forget(lanes)
    forget(routes)
    call('SET', swept, day, 'EX', KEPT)
  end
  if not string.find(own, 'k', 1, true) and not used(names, kind, MAX_TENANT_NAMES) then return 'kind' end
  if not string.find(own, 'q', 1, true) and not used(names, queue, MAX_TENANT_NAMES) then return 'queue' end
  local lane = queue .. ' ' .. target .. ' ' .. share
  if target ~= '' and not used(lanes, lane, MAX_TENANT_LANES) then return 'lane' end
  -- Each has a number of its own for ever, and few names make many of them.
  if not used(routes, kind .. ' ' .. lane, MAX_TENANT_ROUTES) then return 'route' end
end

local full = {}
for i = 2, #ARGV, 6 do
  local what = bring(unpack(ARGV, i, i + 5))
  if what then
    if #full == 0 then full[1] = 'FULL' end
    full[#full + 1] = what
    full[#full + 1] = (i - 2) / 6
  end
end
return full
