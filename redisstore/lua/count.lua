-- Counts an event in a log, whether or not it is full.
--
-- KEYS[1] log
-- ARGV[2] op
-- ARGV[3] milliseconds that the longest window spans
-- ARGV[4] the largest number that a window allows
-- Returns 'done'

local log = redis.call('GET', KEYS[1]) or ''
if find(log) then
  return clock .. 'done'
end
if late then
  return clock .. 'late'
end
-- No window looks further back than that many events.
redis.call('SET', KEYS[1], string.sub(add(log), -size * ARGV[4]), 'PX', ARGV[3])
return clock .. 'done'
