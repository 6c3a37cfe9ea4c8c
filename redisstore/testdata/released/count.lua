-- Counts an event in a log, whether or not it is full.
--
-- KEYS[1] log
-- ARGV[2] op
-- ARGV[3] milliseconds that the longest window spans
-- ARGV[4] the largest number that a window allows
-- Returns {now, 'done'}

if late then
  return { now, 'late' }
end
redis.call('ZADD', KEYS[1], 'NX', digits(now), ARGV[2])
-- No window looks further back than that many events.
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { now, 'done' }
