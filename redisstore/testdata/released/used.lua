-- Counts the events of a log in each of its windows, for the figures.
--
-- KEYS[1] log
-- ARGV[2] … the spans of the windows in milliseconds
-- Returns {now, 'used', how many, …}

local answer = { now, 'used' }
for i = 2, #ARGV do
  answer[i + 1] = redis.call('ZCOUNT', KEYS[1], digits(now - ARGV[i] + 1), '+inf')
end
return answer
