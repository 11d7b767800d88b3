-- KEYS: the user's sessions. ARGV: the session that stays, or ''.
local spared = redis.call('HGET', KEYS[1], ARGV[1])
local ttl = redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[1])
if spared then
    redis.call('HSET', KEYS[1], ARGV[1], spared)
    prolong(KEYS[1], ttl)
end
return 0
