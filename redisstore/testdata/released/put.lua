-- Stores an entry in place of whatever has the same id.
--
-- KEYS[1] entry   KEYS[2] notice of its expiry   KEYS[3] operation
-- ARGV[2] the put's op          ARGV[3] digest of the code
-- ARGV[4] digest of the number  ARGV[5] attempts
-- ARGV[6] seconds to live       ARGV[7] seconds that the notice lives, 0 for none
-- ARGV[8] milliseconds to remember the operation
-- ARGV[9] area of the number
-- Returns {now, 'done', milliseconds that an entry which it replaced had left, 0 for none}

local told = redis.call('GET', KEYS[3])
if told then
  return { now, 'done', tonumber(told) }
end
if late then
  return { now, 'late' }
end
local left = rest(KEYS[1])
-- The first write is one that a server out of memory refuses, so that the
-- script runs as a whole or not at all.
redis.call('SET', KEYS[3], digits(left), 'PX', ARGV[8])
redis.call('HSET', KEYS[1], 'o', ARGV[2], 'c', ARGV[3], 'r', ARGV[4], 'l', ARGV[5], 'a', ARGV[9])
redis.call('EXPIRE', KEYS[1], ARGV[6])
if ARGV[7] == '0' then
  redis.call('DEL', KEYS[2])
else
  redis.call('SET', KEYS[2], 1, 'EX', ARGV[7])
end
return { now, 'done', left }
