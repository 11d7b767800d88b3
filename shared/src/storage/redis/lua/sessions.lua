-- A session is kept as 'EXPIRES SEEN CREATED DETAILS', times in microseconds; a refresh token as 'SESSION EXPIRES ROTATED',
-- with '-' where it has not been rotated out.

local function times(session)
    local expires, seen, rest = string.match(session, '^(%d+) (%d+) (.*)$')
    return tonumber(expires), tonumber(seen), rest
end

-- Lets `key` live for `ttl` milliseconds at least.
local function prolong(key, ttl)
    if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, ttl) end
end
