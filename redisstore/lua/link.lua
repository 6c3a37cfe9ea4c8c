-- Notes in an entry which message tells its code.
--
-- KEYS[1] entry
-- ARGV[2] op of the put that made it; another put's entry is left alone
-- ARGV[3] digest of the message
-- Returns {now, 'done'}

if late then
  return { now, 'late' }
end
if redis.call('HGET', KEYS[1], 'o') == ARGV[2] then
  -- With the op, because a put that replaces the entry leaves this field.
  redis.call('HSET', KEYS[1], 'm', ARGV[2] .. ARGV[3])
end
return { now, 'done' }
