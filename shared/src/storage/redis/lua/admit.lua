-- KEYS: the user's sessions[, the bucket]. ARGV: the session, now, until when its last use is too long ago[, microseconds a
-- token, tokens in a full bucket]. Returns the session, if it lives[, whether a token was taken, what is missing then].
local now = tonumber(ARGV[2])
local session = redis.call('HGET', KEYS[1], ARGV[1])
if not session then return { false, false, false } end
local expires, seen, rest = times(session)
if expires <= now then return { false, false, false } end
if seen <= tonumber(ARGV[3]) then
    redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s %s', expires, ARGV[2], rest))
end
if not KEYS[2] then return { session, false, false } end
local bucket = take(KEYS[2], now, tonumber(ARGV[4]), tonumber(ARGV[5]))
return { session, bucket[1], bucket[2] }
