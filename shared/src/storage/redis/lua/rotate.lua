-- KEYS: the user's sessions, the presented token, the next token, the prefix of the keys that list the live tokens of a session.
-- ARGV: now, start of the grace period of rotated tokens, expiry of session and next token, longest life of a session in
-- microseconds, maximum number of live tokens.
-- Returns the outcome ('rotated', 'reused', 'corrupt_token', 'corrupt_session', or false if the token is unknown), the
-- session's id, and the session as it was before.

-- Adds the next token to the live tokens of the session `id`, from which the presented one is removed, and marks the oldest in excess of
-- the maximum as rotated long ago: their use ends the session. Their keys, and the key of the list, are in the same slot, but unknown before this script runs.
local function replace_live_token(id, ttl)
    local key, live = KEYS[4] .. id, {}
    for token in string.gmatch(redis.call('GET', key) or '', '%S+') do
        if token ~= KEYS[2] and token ~= KEYS[3] then live[#live + 1] = token end
    end
    live[#live + 1] = KEYS[3]
    while #live > tonumber(ARGV[5]) do
        local oldest = table.remove(live, 1)
        local kept = string.match(redis.call('GET', oldest) or '', '^%S+ %d+ ')
        if kept then redis.call('SET', oldest, kept .. '0', 'KEEPTTL') end
    end
    redis.call('SET', key, table.concat(live, ' '), 'PX', ttl)
end

local now = tonumber(ARGV[1])
local token = redis.call('GET', KEYS[2])
if not token then return { false, false, false } end
-- A retry after a lost response names the same next token, and gets the same response.
local next_token, ended_id, ended = string.match(token, '^reused (%S+) (%S+) (.*)$')
if next_token == KEYS[3] then return { 'reused', ended_id, ended } end
if ended then return { false, false, false } end
local id, token_expires, rotated = string.match(token, '^(%S+) (%d+) (%S+)$')
if not id or (rotated ~= '-' and not tonumber(rotated)) then return { 'corrupt_token', false, false } end
if tonumber(token_expires) <= now then return { false, false, false } end
local session = redis.call('HGET', KEYS[1], id)
if not session then return { false, false, false } end
if rotated ~= '-' and tonumber(rotated) < tonumber(ARGV[2]) then
    redis.call('HDEL', KEYS[1], id)
    -- Kept for 10 s, in which the same request may be retried.
    redis.call('SET', KEYS[2], 'reused ' .. KEYS[3] .. ' ' .. id .. ' ' .. session, 'PX', 10000)
    return { 'reused', id, session }
end
local _, _, rest = times(session)
local created = rest and tonumber(string.match(rest, '^%d+'))
if not created then return { 'corrupt_session', id, session } end
-- An older release extended it beyond its longest life.
if created + tonumber(ARGV[4]) <= now then return { false, false, false } end
local expires = math.min(tonumber(ARGV[3]), created + tonumber(ARGV[4]))
local ttl = math.max(math.floor((expires - now) / 1000), 1)
redis.call('HSET', KEYS[1], id, string.format('%.0f %s %s', expires, ARGV[1], rest))
prolong(KEYS[1], ttl)
redis.call('SET', KEYS[3], string.format('%s %.0f -', id, expires), 'PX', ttl)
replace_live_token(id, ttl)
if rotated == '-' then
    redis.call('SET', KEYS[2], string.format('%s %s %s', id, token_expires, ARGV[1]), 'KEEPTTL')
end
return { 'rotated', id, session }
