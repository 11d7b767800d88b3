local minute = 60000000

-- Returns the policy of a bucket from two arguments: microseconds per token, tokens in a full bucket.
local function policy(per_token, tokens)
    return { per_token = tonumber(per_token), window = per_token * tokens }
end

-- Returns how many microseconds the bucket `key` lacks of being full. It is stored as the time at which it will be full (the
-- generic cell rate algorithm).
local function missing_of(key, now, policy)
    local missing = tonumber(redis.call('GET', key) or now) - now
    -- An empty bucket is full after its window. A larger difference means that the clock was set back: the bucket counts as
    -- empty if the clock was set back by more than a minute.
    if missing > policy.window + minute then missing = policy.window end
    return math.max(missing, 0)
end

-- Stores the bucket for a minute longer than it takes to fill, so that a clock that steps back does not fill it.
local function store(key, now, missing)
    redis.call('SET', key, string.format('%.0f', now + missing), 'PX', math.ceil((missing + minute) / 1000))
end

-- Takes a token from each of the buckets `keys` if each contains one. Returns whether it did (1 or 0), the index of the bucket that
-- decided it, that is the first without a token or else the last, and how many microseconds that one then lacks of being full.
local function take(keys, now, policies)
    local missing
    for index, key in ipairs(keys) do
        missing = missing_of(key, now, policies[index])
        if missing + policies[index].per_token > policies[index].window then
            store(key, now, missing)
            return { 0, index, missing }
        end
    end
    for index, key in ipairs(keys) do
        missing = missing_of(key, now, policies[index]) + policies[index].per_token
        store(key, now, missing)
    end
    return { 1, #keys, missing }
end

-- Gives a token back to the bucket `key`.
local function give_back(key, now, policy)
    store(key, now, math.max(missing_of(key, now, policy) - policy.per_token, 0))
end
