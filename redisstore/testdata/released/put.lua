-- Stores an entry in place of whatever has the same id.
--
-- KEYS[1] entry   KEYS[2] notices
-- ARGV[2] the put's op   ARGV[3] the entry, but for its end and what it replaced
-- ARGV[4] attempts       ARGV[5] seconds to live
-- ARGV[6] seconds until its expiry is told no more, 0 to tell nothing
-- Returns 'done' and the milliseconds that an entry which it replaced had left, 0 for none

if life > 0 and string.sub(entry, 11, 18) == ARGV[2] then
  told = 'done ' .. string.sub(entry, 41)
end
if told or late then
  return clock .. (told or 'late')
end
notePut()
-- The first write is one that a server out of memory refuses, so that the
-- script runs as a whole or not at all.
local made = ARGV[3] .. string.format('%011x', now + ARGV[5] * 1000) .. string.format('%d', life)
if notes ~= '' then
  redis.call('HSET', KEYS[1], 'e', made, 'l', ARGV[4], 'n', notes)
else
  redis.call('HSET', KEYS[1], 'e', made, 'l', ARGV[4])
end
redis.call('EXPIRE', KEYS[1], ARGV[5])
if ARGV[6] == '0' then
  redis.call('ZREM', KEYS[2], name)
else
  redis.call('ZADD', KEYS[2], string.format('%d', now + ARGV[6] * 1000), name)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%d', now))
  if redis.call('PTTL', KEYS[2]) < ARGV[6] * 1000 then -- others may have been to live longer
    redis.call('EXPIRE', KEYS[2], ARGV[6])
  end
end
return clock .. 'done ' .. string.format('%d', life)
