-- Numbers for queues, lanes and routes, given out once. A queue's default lane has the queue's number; other lanes begin
-- above the last that a queue can have.
--
-- `apart` says that a tenant's task names it: what tenants alone use (`tk` kinds, `tq` queues) takes nothing from what the
-- installation may have, so a queue of theirs takes its number from the lanes'.

-- Whether there is room for one more of the installation's names in `all`, of which `own` are tenants' alone.
local function room(all, own)
  local count = all == 'q' and call('HLEN', P .. all) or call('SCARD', P .. all)
  return count - call('SCARD', P .. own) < MAX_QUEUES
end

-- A name that tenants used alone is the installation's from its first use on; false when it has no room.
local function taken_over(all, own, name)
  if call('SISMEMBER', P .. own, name) == 0 then return true end
  if not room(all, own) then return false end
  call('SREM', P .. own, name)
  return true
end

local function queue_no(name, apart)
  local n = call('HGET', P .. 'q', name)
  if n then return (apart or taken_over('q', 'tq', name)) and tonumber(n) or nil end
  if apart then
    n = MAX_QUEUES + call('HINCRBY', P .. 'm', 'nl', 1)
    call('SADD', P .. 'tq', name)
  else
    if not room('q', 'tq') then return nil end
    n = call('HINCRBY', P .. 'm', 'nq', 1)
  end
  call('HSET', P .. 'q', name, n)
  call('HSET', P .. 'qn', n, name)
  call('HSET', P .. 'l', name .. '  ', n)
  call('HSET', P .. 'li', n, n .. ' ' .. n .. ' ' .. name .. '  ')
  -- So that it is shown with counters at zero.
  call('HSETNX', P .. 'c', n .. ':' .. 1, 0)
  return n
end

-- lane#, target# of a lane; nil when there are too many.
local function lane_no(name, target, tenant, apart)
  local queue = queue_no(name, apart)
  if not queue then return nil end
  if target == '' then return queue, queue, queue end
  local own, lane
  for i = 1, tenant == '' and 1 or 2 do
    local text = name .. ' ' .. target .. ' ' .. (i == 1 and '' or tenant)
    local n = tonumber(call('HGET', P .. 'l', text) or nil)
    if not n then
      if call('HLEN', P .. 'l') >= MAX_LANES then return nil end
      n = MAX_QUEUES + call('HINCRBY', P .. 'm', 'nl', 1)
      call('HSET', P .. 'l', text, n)
      call('HSET', P .. 'li', n, queue .. ' ' .. (own or n) .. ' ' .. text)
    end
    own, lane = own or n, n
  end
  return lane, own, queue
end

local function route_no(name, kind, target, tenant, apart)
  local text = name .. ' ' .. kind .. ' ' .. target .. ' ' .. tenant
  local n = call('HGET', P .. 'rx', text)
  if call('SADD', P .. 'kd', kind) == 1 then
    if apart then
      call('SADD', P .. 'tk', kind)
    elseif call('SCARD', P .. 'kd') - call('SCARD', P .. 'tk') > MAX_QUEUES then
      call('SREM', P .. 'kd', kind)
      return nil, 'kind'
    end
  elseif not apart and not taken_over('kd', 'tk', kind) then
    return nil, 'kind'
  end
  local lane, own, queue = lane_no(name, target, tenant, apart)
  if not lane then return nil, queue_no(name, apart) and 'lane' or 'queue' end
  if n then return tonumber(n) end
  n = call('HINCRBY', P .. 'm', 'nr', 1)
  if n > 16777215 then return nil, 'lane' end
  call('HSET', P .. 'rx', text, n)
  call('HSET', P .. 'rt', n, queue .. ' ' .. lane .. ' ' .. own .. ' ' .. text)
  return n
end
