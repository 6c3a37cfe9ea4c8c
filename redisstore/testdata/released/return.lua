-- Gives a place in a log back.
--
-- KEYS[1] log
-- ARGV[2] op
-- Returns {now, 'done'}

if not late then
  redis.call('ZREM', KEYS[1], ARGV[2])
end
return { now, late and 'late' or 'done' }
