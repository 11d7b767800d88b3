-- KEYS: the user's sessions, the presented token, the next token.
-- ARGV: now, start of the grace period of rotated tokens, expiry of session and next token, the same in milliseconds from now.
-- Returns the outcome ('rotated', 'reused', 'corrupt_token', 'corrupt_session', or false if the token is unknown), the
-- session's id, and the session as it was before.
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
if not rest then return { 'corrupt_session', id, session } end
redis.call('HSET', KEYS[1], id, string.format('%s %s %s', ARGV[3], ARGV[1], rest))
prolong(KEYS[1], tonumber(ARGV[4]))
redis.call('SET', KEYS[3], string.format('%s %s -', id, ARGV[3]), 'PX', ARGV[4])
if rotated == '-' then
    redis.call('SET', KEYS[2], string.format('%s %s %s', id, token_expires, ARGV[1]), 'KEEPTTL')
end
return { 'rotated', id, session }
