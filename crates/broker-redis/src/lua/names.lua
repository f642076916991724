-- Numbers for queues, lanes and routes, given out once. A queue's default lane has the queue's number; other lanes begin
-- above the last that a queue can have.
local function queue_no(name)
  local n = call('HGET', P .. 'q', name)
  if n then return tonumber(n) end
  if call('HLEN', P .. 'q') >= MAX_QUEUES then return nil end
  n = call('HINCRBY', P .. 'm', 'nq', 1)
  call('HSET', P .. 'q', name, n)
  call('HSET', P .. 'qn', n, name)
  call('HSET', P .. 'l', name .. '  ', n)
  call('HSET', P .. 'li', n, n .. ' ' .. n .. ' ' .. name .. '  ')
  -- So that it is shown with counters at zero.
  call('HSETNX', P .. 'c', n .. ':' .. 1, 0)
  return n
end

-- lane#, target# of a lane; nil when there are too many.
local function lane_no(name, target, tenant)
  local queue = queue_no(name)
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

local function route_no(name, kind, target, tenant)
  local text = name .. ' ' .. kind .. ' ' .. target .. ' ' .. tenant
  local n = call('HGET', P .. 'rx', text)
  if n then return tonumber(n) end
  if call('SADD', P .. 'kd', kind) == 1 and call('SCARD', P .. 'kd') > MAX_QUEUES then
    call('SREM', P .. 'kd', kind)
    return nil, 'kind'
  end
  local lane, own, queue = lane_no(name, target, tenant)
  if not lane then return nil, queue_no(name) and 'lane' or 'queue' end
  n = call('HINCRBY', P .. 'm', 'nr', 1)
  if n > 16777215 then return nil, 'lane' end
  call('HSET', P .. 'rx', text, n)
  call('HSET', P .. 'rt', n, queue .. ' ' .. lane .. ' ' .. own .. ' ' .. text)
  return n
end
