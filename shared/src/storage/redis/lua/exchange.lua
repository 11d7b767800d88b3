-- KEYS: the bucket to take from, the bucket to give back to. ARGV: now, and of each bucket microseconds per token and tokens in a full
-- bucket. Returns what `take` does.
local now = tonumber(ARGV[1])
local result = take({ KEYS[1] }, now, { policy(ARGV[2], ARGV[3]) })
if result[1] == 1 then give_back(KEYS[2], now, policy(ARGV[4], ARGV[5])) end
return result
