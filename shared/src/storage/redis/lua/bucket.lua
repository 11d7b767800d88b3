-- Takes a token from the bucket `key`, which is kept as the moment at which it will be full, in microseconds (the generic
-- cell rate algorithm): whether there was one, and how many microseconds it lacks of being full then.
local function take(key, now, per_token, limit)
    local minute = 60000000
    local full_at = tonumber(redis.call('GET', key) or now)
    local missing = full_at - now
    -- A clock that went back a little is waited for; one that was set back is believed.
    if missing > 2 * minute then missing = minute end
    if missing < 0 then missing = 0 end
    local taken = missing + per_token <= per_token * limit
    if taken then missing = missing + per_token end
    -- For a minute longer than it takes to fill up, so that a clock going back fills nothing.
    local lives = math.ceil((missing + minute) / 1000)
    redis.call('SET', key, string.format('%.0f', now + missing), 'PX', lives)
    return { taken and 1 or 0, missing }
end
