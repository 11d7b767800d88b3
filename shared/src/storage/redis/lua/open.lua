-- KEYS: the user's sessions, the refresh token, the hint at the user's database.
-- ARGV: session id, session, token, now, time to live of both in milliseconds, maximum number of sessions of a user, hint or '-', its
-- time to live in milliseconds.
-- Returns the id and text of a session that cannot be parsed, or false.
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
prolong(KEYS[1], tonumber(ARGV[5]))
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[5])
if ARGV[7] == '-' then
    redis.call('SET', KEYS[3], ARGV[7], 'PX', ARGV[8], 'NX')
else
    redis.call('SET', KEYS[3], ARGV[7], 'PX', ARGV[8])
end

local live = {}
local all = redis.call('HGETALL', KEYS[1])
for index = 1, #all, 2 do
    local expires, seen, rest = times(all[index + 1])
    local created = rest and tonumber(string.match(rest, '^%d+'))
    if not created then return { all[index], all[index + 1] } end
    if expires <= tonumber(ARGV[4]) then
        redis.call('HDEL', KEYS[1], all[index])
    else
        live[#live + 1] = { id = all[index], seen = seen, created = created }
    end
end
-- Ends the sessions in excess of the maximum, those unused for longest.
table.sort(live, function(a, b)
    if a.seen ~= b.seen then return a.seen > b.seen end
    return a.created > b.created
end)
for index = tonumber(ARGV[6]) + 1, #live do redis.call('HDEL', KEYS[1], live[index].id) end
return false
