-- KEYS: the user's sessions, the hint at the user's database. ARGV: id of the session to keep, or ''.
local kept = redis.call('HGET', KEYS[1], ARGV[1])
local ttl = redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[1])
if ARGV[1] == '' then redis.call('DEL', KEYS[2]) end
if kept then
    redis.call('HSET', KEYS[1], ARGV[1], kept)
    prolong(KEYS[1], ttl)
end
return 0
