-- KEYS: the bucket to take from, the bucket to give back to. ARGV: now, microseconds per token and tokens in a full bucket of the
-- first, microseconds per token of the second. Returns what `take` does.
local now = tonumber(ARGV[1])
local result = take(KEYS[1], now, tonumber(ARGV[2]), tonumber(ARGV[3]))
if result[1] == 1 then store(KEYS[2], now, math.max(missing_of(KEYS[2], now) - tonumber(ARGV[4]), 0)) end
return result
