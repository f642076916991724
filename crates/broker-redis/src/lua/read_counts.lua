-- Every queue of a shard with its counters. KEYS: P m. ARGV: clock.
-- Returns {now, names of queues by number, counters, pauses}, each of the three as one list of pairs.
return {
  string.format('%.0f', now),
  call('HGETALL', P .. 'qn'),
  call('HGETALL', P .. 'c'),
  call('HGETALL', P .. 'qp'),
}
