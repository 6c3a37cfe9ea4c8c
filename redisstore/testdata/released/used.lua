-- Counts the events of a log in each of its windows, for the figures.
--
-- KEYS[1] log
-- ARGV[2] … the spans of the windows in milliseconds
-- Returns 'used' and how many there are in each

local answer = 'used'
for i = 2, #ARGV do
  answer = answer .. ' ' .. redis.call('ZCOUNT', KEYS[1], now - ARGV[i] + 1, '+inf')
end
return clock .. answer
