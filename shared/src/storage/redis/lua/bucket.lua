local minute = 60000000

-- Returns how many microseconds the bucket `key` lacks of being full. It is stored as the time at which it will be full (the
-- generic cell rate algorithm).
local function missing_of(key, now)
    local missing = tonumber(redis.call('GET', key) or now) - now
    -- An empty bucket is full after a minute. A larger difference means that the clock was set back: the bucket counts as
    -- empty if the clock was set back by more than a minute.
    if missing > 2 * minute then missing = minute end
    return math.max(missing, 0)
end

-- Stores the bucket for a minute longer than it takes to fill, so that a clock that steps back does not fill it.
local function store(key, now, missing)
    redis.call('SET', key, string.format('%.0f', now + missing), 'PX', math.ceil((missing + minute) / 1000))
end

-- Takes a token from the bucket `key`. Returns 1 if there was a token, else 0, and how many microseconds the bucket then lacks of
-- being full.
local function take(key, now, per_token, limit)
    local missing = missing_of(key, now)
    local taken = missing + per_token <= per_token * limit
    if taken then missing = missing + per_token end
    store(key, now, missing)
    return { taken and 1 or 0, missing }
end
