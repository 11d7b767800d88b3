-- KEYS: the user's sessions, the user's last day[, the bucket, the turns]. ARGV: the session, now, until when its last use is
-- too long ago, which day it is[, microseconds a token, tokens in a full bucket, microseconds a turn]. Returns the session, if it
-- lives, and whether it is the first use of the user's day[, whether a token was taken, what is missing then, how long to wait
-- for one's turn].

-- Those who come at once get turns one after the other, unless the queue is longer than anybody should wait.
local function turn(key, now, pace)
    local start = math.max(now, tonumber(redis.call('GET', key) or now))
    if start > now + 20 * pace then start = now end
    redis.call('SET', key, string.format('%.0f', start + pace), 'PX', math.ceil((start + pace - now) / 1000))
    return start - now
end

-- Whether it is the first time on this day, or later, that the user is here.
local function first_on(day)
    if tonumber(redis.call('GET', KEYS[2]) or -1) >= tonumber(day) then return 0 end
    redis.call('SET', KEYS[2], day, 'PX', 86400000)
    return 1
end

local now = tonumber(ARGV[2])
local session = redis.call('HGET', KEYS[1], ARGV[1])
if not session then return { false, false, false, false, false } end
local expires, seen, rest = times(session)
if expires <= now then return { false, false, false, false, false } end
if seen <= tonumber(ARGV[3]) then
    redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s %s', expires, ARGV[2], rest))
end
local first = first_on(ARGV[4])
if not KEYS[3] then return { session, first, false, false, false } end
local bucket = take(KEYS[3], now, tonumber(ARGV[5]), tonumber(ARGV[6]))
local pace = tonumber(ARGV[7])
if bucket[1] == 0 or pace == 0 then return { session, first, bucket[1], bucket[2], 0 } end
return { session, first, bucket[1], bucket[2], turn(KEYS[4], now, pace) }
