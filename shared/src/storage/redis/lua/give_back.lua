-- KEYS: the buckets. ARGV: now, and of each bucket microseconds per token and tokens in a full bucket.
for index, key in ipairs(KEYS) do
    give_back(key, tonumber(ARGV[1]), policy(ARGV[2 * index], ARGV[2 * index + 1]))
end
return 0
