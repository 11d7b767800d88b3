-- KEYS: the bucket. ARGV: now, microseconds per token, tokens in a full bucket. Returns what `take` does.
return take(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
