-- KEYS: the bucket. ARGV: now, microseconds a token, tokens in a full bucket.
return take(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
