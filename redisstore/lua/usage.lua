-- Counts the events of a set in each of its windows, for the metrics.
--
-- KEYS[1] set
-- ARGV[2] … the windows in milliseconds
-- Returns 'used' and the number of events in each window

--include base

local answer = 'used'
for i = 2, #ARGV do
  local since = math.max(0, now - ARGV[i] + 1)
  answer = answer .. ' ' .. redis.call('ZCOUNT', KEYS[1], since, '+inf')
end
return stamp .. answer
