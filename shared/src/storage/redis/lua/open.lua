-- KEYS: the user's sessions, the refresh token. ARGV: the session's id, the session, the token, now, milliseconds that both
-- live, most sessions of a user.
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
prolong(KEYS[1], tonumber(ARGV[5]))
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[5])

local kept = {}
local all = redis.call('HGETALL', KEYS[1])
for place = 1, #all, 2 do
    local expires, seen, rest = times(all[place + 1])
    if expires <= tonumber(ARGV[4]) then
        redis.call('HDEL', KEYS[1], all[place])
    else
        kept[#kept + 1] = { id = all[place], seen = seen, created = tonumber(string.match(rest, '^%d+')) }
    end
end
-- Those unused longest come last, and go.
table.sort(kept, function(a, b)
    if a.seen ~= b.seen then return a.seen > b.seen end
    return a.created > b.created
end)
for place = tonumber(ARGV[6]) + 1, #kept do redis.call('HDEL', KEYS[1], kept[place].id) end
return #kept
