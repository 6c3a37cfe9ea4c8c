-- Counts the events of a set in each of its windows, for the metrics.
--
-- KEYS[1] set
-- ARGV[2] … the spans of the windows in milliseconds
-- Returns 'used' and how many there are in each

--include base

local answer = 'used'
for i = 2, #ARGV do
  local since = math.max(0, now - ARGV[i] + 1)
  answer = answer .. ' ' .. redis.call('ZCOUNT', KEYS[1], since, '+inf')
end
return stamp .. answer
