-- Notes in an entry which message tells its code.
--
-- KEYS[1] entry
-- ARGV[2] op of the put that made it; another put's entry is left alone
-- ARGV[3] digest of the message
-- Returns 'done'

if late then
  return clock .. 'late'
end
local entry = redis.call('HGET', KEYS[1], 'e')
if entry and string.sub(entry, 11, 18) == ARGV[2] then
  -- With the op, because a put that replaces the entry leaves this field.
  redis.call('HSET', KEYS[1], 'm', ARGV[2] .. ARGV[3])
end
return clock .. 'done'
