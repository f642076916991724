-- Tasks by key, each seen in one place. KEYS: P m. ARGV: clock; 1 with bodies; keys.
-- Returns of each: state, record, run, worker, payload and result from keys of their own (nothing where there is
-- none); of a task that is not there, nothing six times.
local keys = {}
for i = 3, #ARGV do keys[i - 2] = ARGV[i] end
local recs, runs = hmget(P .. 't', keys), hmget(P .. 'run', keys)
local out = {}
for i = 1, #keys do
  if recs[i] then
    tell(out, keys[i], recs[i], runs[i], ARGV[2] == '1')
  else
    for _ = 1, 6 do out[#out + 1] = false end
  end
end
return out
