-- Where a task is found by whom it is for. Shared by the scripts that write, and by those that read; the layout is in
-- docs/adr/0005-redis-layout.md.

-- The hash of nobody.
local NOBODY = string.rep('\0', RECIPIENT_HASH)
-- Bytes of an entry of a bucket: a hash and a minted key.
local ENTRY = RECIPIENT_HASH + 12

-- The hash of a recipient, and the name of a set of his own.
local function hash_of(recipient)
  local digits = sub(redis.sha1hex(recipient), 1, 2 * RECIPIENT_HASH)
  return (string.gsub(digits, '..', function(two) return string.char(tonumber(two, 16)) end)), P .. 'to:' .. digits
end

local function set_of(hash)
  return P .. 'to:' .. string.gsub(hash, '.', function(c) return string.format('%02x', byte(c)) end)
end

-- Enters a task into a recipient's own set. Beyond its bound the oldest leave it, which is remembered: lists look for them
-- among all.
local function enter_apart(set, created, key)
  call('ZADD', set, created, key)
  if call('ZCARD', set) > RECIPIENT_INDEXED then
    call('ZREMRANGEBYRANK', set, 0, -RECIPIENT_INDEXED - 1)
    call('ZADD', P .. 'toc', max(now, created), set)
  end
end

local function bucket_of(hash)
  local a, b = byte(hash, 1, 2)
  return P .. 'tb:' .. (a * 256 + b) % RECIPIENT_BUCKETS
end

-- How many of a bucket's entries have keys before one, given as its halves. Entries stand in the order of their keys.
local function entries_before(bucket, high, low)
  local below, above = 0, floor(call('STRLEN', bucket) / ENTRY)
  while below < above do
    local m = floor((below + above) / 2)
    local h, l = unp('>I6I6', call('GETRANGE', bucket, ENTRY * m + RECIPIENT_HASH, ENTRY * (m + 1) - 1))
    if h < high or h == high and l < low then below = m + 1 else above = m end
  end
  return below
end

-- What one call wrote at `pos` of the log: how many tasks, the first half of their keys, and where the other halves begin, their
-- hashes, and the next call.
local function of_log(log, pos)
  local n, high = unp('>I2c6', log, pos)
  local lows = pos + 8
  local hashes = lows + 6 * n
  return n, high, lows, hashes, hashes + RECIPIENT_HASH * n
end

-- Keys of `hash` in the log of those not yet in buckets, oldest first, and where in it their hashes stand.
local function logged(hash)
  local log = call('GET', P .. 'tn') or ''
  local keys, places, after = {}, {}, 1
  local high, lows, hashes, _
  local at = string.find(log, hash, 1, true)
  while at do
    while after <= at do _, high, lows, hashes, after = of_log(log, after) end
    local off = at - hashes
    if off >= 0 and off % RECIPIENT_HASH == 0 then
      local low = lows + off / RECIPIENT_HASH * 6
      keys[#keys + 1], places[#places + 1] = high .. sub(log, low, low + 5), at - 1
    end
    at = string.find(log, hash, at + 1, true)
  end
  return keys, places
end
