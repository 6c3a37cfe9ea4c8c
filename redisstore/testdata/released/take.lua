-- Takes a place in a log of events, unless it or the log beside it is full.
--
-- KEYS[1] log to take a place in   KEYS[2] log that is only looked at
-- ARGV[2] op
-- ARGV[3] milliseconds that the longest window of KEYS[1] spans, 0 for no windows
-- ARGV[4] index in ARGV of the last number of KEYS[1]'s windows
-- ARGV[5] … the windows of KEYS[1], then those of KEYS[2]
-- Returns {now, 'taken'} or {now, 'full', index in ARGV of the window, milliseconds until it clears}

local events = redis.call('ZCARD', KEYS[1])
if events > 0 and redis.call('ZSCORE', KEYS[1], ARGV[2]) then
  return { now, 'taken' }
end
if late then
  return { now, 'late' }
end
local last = tonumber(ARGV[4])
local window, wait = full(KEYS[1], events, 5, last)
local other, longer = full(KEYS[2], redis.call('ZCARD', KEYS[2]), last + 1, #ARGV)
if other and longer > wait then
  window, wait = other, longer
end
if window then
  return { now, 'full', window, wait }
end
if ARGV[3] ~= '0' then
  redis.call('ZADD', KEYS[1], digits(now), ARGV[2])
  if events > 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', digits(now - ARGV[3]))
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return { now, 'taken' }
