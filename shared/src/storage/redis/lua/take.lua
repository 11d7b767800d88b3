-- KEYS: the buckets. ARGV: now, and of each bucket microseconds per token and tokens in a full bucket. Returns what `take` does.
local policies = {}
for index = 1, #KEYS do policies[index] = policy(ARGV[2 * index], ARGV[2 * index + 1]) end
return take(KEYS, tonumber(ARGV[1]), policies)
