-- A session is stored as 'EXPIRES SEEN CREATED DETAILS', with times in microseconds since 1970. A refresh token is stored as
-- 'SESSION EXPIRES ROTATED', where ROTATED is '-' until the token is rotated.

-- Returns when a session expires, when it was last seen, and the rest of its text; nil if the text cannot be parsed.
local function times(session)
    local expires, seen, rest = string.match(session, '^(%d+) (%d+) (.*)$')
    return tonumber(expires), tonumber(seen), rest
end

-- Extends the time to live of `key` to at least `ttl` milliseconds.
local function prolong(key, ttl)
    if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, ttl) end
end
