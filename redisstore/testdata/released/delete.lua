-- Removes an entry, so that its id is unknown.
--
-- KEYS[1] entry   KEYS[2] notices
-- ARGV[2] op      ARGV[3] remove only the entry of this put; empty removes any
-- Returns 'done' and the milliseconds that the entry had left, 0 if there was none

if told or late then
  return clock .. (told or 'late')
end
if ARGV[3] ~= '' and not (life > 0 and string.sub(entry, 11, 18) == ARGV[3]) then
  return clock .. 'done 0'
end
local answer = 'done ' .. life
-- Also a server out of memory may free some, so this one begins with HDEL; the
-- note keeps a repetition from removing a later entry.
redis.call('HDEL', KEYS[1], 'm')
finish(ARGV[2], answer)
return clock .. answer
