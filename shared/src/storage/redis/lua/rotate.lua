-- KEYS: the user's sessions, the token presented, the next token. ARGV: now, before when a token must not have been rotated
-- out, until when session and next token live, the same in milliseconds from now. Returns what became of the token, the
-- session's id, and the session as it was.
local now = tonumber(ARGV[1])
local token = redis.call('GET', KEYS[2])
if not token then return { false, false, false } end
-- Whoever asks again because the answer was lost, and so for the same next token, is told the same.
local asked_for, ended_id, ended = string.match(token, '^reused (%S+) (%S+) (.*)$')
if asked_for == KEYS[3] then return { 'reused', ended_id, ended } end
if ended then return { false, false, false } end
local id, token_expires, rotated = string.match(token, '^(%S+) (%d+) (%S+)$')
if tonumber(token_expires) <= now then return { false, false, false } end
local session = redis.call('HGET', KEYS[1], id)
if not session then return { false, false, false } end
if rotated ~= '-' and tonumber(rotated) < tonumber(ARGV[2]) then
    redis.call('HDEL', KEYS[1], id)
    -- For as long as the same may be asked again.
    redis.call('SET', KEYS[2], 'reused ' .. KEYS[3] .. ' ' .. id .. ' ' .. session, 'PX', 10000)
    return { 'reused', id, session }
end
local _, _, rest = times(session)
redis.call('HSET', KEYS[1], id, string.format('%s %s %s', ARGV[3], ARGV[1], rest))
prolong(KEYS[1], tonumber(ARGV[4]))
redis.call('SET', KEYS[3], string.format('%s %s -', id, ARGV[3]), 'PX', ARGV[4])
if rotated == '-' then
    redis.call('SET', KEYS[2], string.format('%s %s %s', id, token_expires, ARGV[1]), 'KEEPTTL')
end
return { 'rotated', id, session }
