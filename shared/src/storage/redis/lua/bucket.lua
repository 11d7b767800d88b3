-- Takes a token from the bucket `key`, stored as the time at which it will be full, in microseconds (the generic cell rate
-- algorithm). Returns 1 if there was a token, else 0, and how many microseconds the bucket then lacks of being full.
local function take(key, now, per_token, limit)
    local minute = 60000000
    local full_at = tonumber(redis.call('GET', key) or now)
    local missing = full_at - now
    -- An empty bucket is full after a minute. A larger difference means that the clock was set back: the bucket counts as
    -- empty if the clock was set back by more than a minute.
    if missing > 2 * minute then missing = minute end
    if missing < 0 then missing = 0 end
    local taken = missing + per_token <= per_token * limit
    if taken then missing = missing + per_token end
    -- Stored for a minute longer than the bucket takes to fill, so that a clock that steps back does not fill it.
    local ttl = math.ceil((missing + minute) / 1000)
    redis.call('SET', key, string.format('%.0f', now + missing), 'PX', ttl)
    return { taken and 1 or 0, missing }
end
