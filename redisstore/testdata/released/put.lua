-- Stores an entry in place of whatever has the same id.
--
-- KEYS[1] entry   KEYS[2] notices
-- ARGV[2] the put's op   ARGV[3] the entry up to its end
-- ARGV[4] attempts       ARGV[5] seconds to live
-- ARGV[6] seconds until its expiry is told no more, 0 to tell nothing
-- Returns 'done' and the milliseconds that an entry which it replaced had left, 0 for none

local put = string.sub(entry, 11, 18) -- that made the entry which is there, if one is
local done = put ~= '' and 'done' .. string.match(entry, ' %d+', 42)
if put == ARGV[2] then
  told = done
end
if told or late then
  return clock .. (told or 'late')
end
-- The first write is one that a server out of memory refuses, so that the
-- script runs as a whole or not at all.
local made = ARGV[3] .. string.format('%011x', now + ARGV[5] * 1000)
if entry == '' then
  write(made .. '-' .. ARGV[4] .. ' 0')
else
  write(made .. 'n' .. ARGV[4] .. ' ' .. life, put, done) -- which the entry told that now goes
end
redis.call('EXPIRE', KEYS[1], ARGV[5])
if ARGV[6] == '0' then
  redis.call('ZREM', KEYS[2], name)
else
  redis.call('ZADD', KEYS[2], now + ARGV[6] * 1000, name)
  local rest = redis.call('PTTL', KEYS[2]) - ARGV[6] * 1000 -- that others are to live longer
  -- For a minute longer than it must, so that where puts are many most need not.
  if rest < 0 then
    redis.call('EXPIRE', KEYS[2], ARGV[6] + 60)
  end
  -- What counts no more goes with it, and always where entries lived longer once.
  if rest < 0 or rest > 60000 then
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
  end
end
return clock .. 'done ' .. life
