-- KEYS: the user's sessions, the user's last active day, the hint at the user's database[, the bucket[, the schedule of the user's
-- calls, if they are spaced]].
-- ARGV: session id, now, latest time of last use that is due for an update, today[, microseconds per token, tokens in a full
-- bucket, minimum interval between calls in microseconds].
-- Returns the session if it is live, whether this is the user's first call of the day, and the hint[, whether a token was taken, how
-- many microseconds the bucket lacks of being full, how many microseconds to wait]. A session that cannot be parsed is returned
-- alone: the caller reports it.

-- Spaces concurrent calls by `min_interval`. Starts a new schedule when more than 20 calls are waiting.
local function wait_for_start(key, now, min_interval)
    local start = math.max(now, tonumber(redis.call('GET', key) or now))
    if start > now + 20 * min_interval then start = now end
    local next_start = start + min_interval
    redis.call('SET', key, string.format('%.0f', next_start), 'PX', math.ceil((next_start - now) / 1000))
    return start - now
end

-- Returns 1 if the user has not been active on this day or a later one, else 0.
local function first_on(day)
    if tonumber(redis.call('GET', KEYS[2]) or -1) >= tonumber(day) then return 0 end
    redis.call('SET', KEYS[2], day, 'PX', 86400000)
    return 1
end

local now = tonumber(ARGV[2])
local session = redis.call('HGET', KEYS[1], ARGV[1])
if not session then return { false, false, false, false, false, false } end
local expires, seen, rest = times(session)
if not expires then return { session, false, false, false, false, false } end
if expires <= now then return { false, false, false, false, false, false } end
if seen <= tonumber(ARGV[3]) then
    redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s %s', expires, ARGV[2], rest))
end
local first = first_on(ARGV[4])
local database = redis.call('GET', KEYS[3])
if not KEYS[4] then return { session, first, database, false, false, false } end
local bucket = take({ KEYS[4] }, now, { policy(ARGV[5], ARGV[6]) })
local min_interval = tonumber(ARGV[7])
if bucket[1] == 0 or min_interval == 0 then return { session, first, database, bucket[1], bucket[3], 0 } end
return { session, first, database, bucket[1], bucket[3], wait_for_start(KEYS[5], now, min_interval) }
