-- Stores an entry in place of whatever has the same id.
--
-- KEYS[1] entry   KEYS[2] the past
-- ARGV[2] the put's op   ARGV[3] the entry, but for its end and what it replaced
-- ARGV[4] attempts       ARGV[5] seconds to live
-- ARGV[6] seconds until its expiry is told no more, 0 to tell nothing
-- Returns 'done' and the milliseconds that an entry which it replaced had left, 0 for none

if entry and string.sub(entry, 11, 18) == ARGV[2] then
  told = 'done ' .. string.sub(entry, 41)
end
if told or late then
  return clock .. (told or 'late')
end
ended()
-- The first write is one that a server out of memory refuses, so that the
-- script runs as a whole or not at all.
local made = ARGV[3] .. string.format('%011x', now + ARGV[5] * 1000) .. string.format('%d', life)
if notes == '' then
  redis.call('HSET', KEYS[1], 'e', made, 'l', ARGV[4])
else
  redis.call('HSET', KEYS[1], 'e', made, 'l', ARGV[4], 'n', notes)
end
redis.call('EXPIRE', KEYS[1], ARGV[5])
if ARGV[6] ~= '0' then
  keep(items .. item(now + ARGV[6] * 1000, ''))
elseif any then
  keep(items)
end
return clock .. 'done ' .. string.format('%d', life)
