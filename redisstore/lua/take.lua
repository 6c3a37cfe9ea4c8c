-- Takes a place in a log of events, unless it or the log beside it is full.
--
-- KEYS[1] log to take a place in   KEYS[2] log that is only looked at
-- ARGV[2] op
-- ARGV[3] milliseconds that the longest window of KEYS[1] spans, 0 for no windows
-- ARGV[4] index in ARGV of the last number of KEYS[1]'s windows
-- ARGV[5] … the windows of KEYS[1], then those of KEYS[2]
-- Returns 'taken', or 'full' with the index in ARGV of the window and the
-- milliseconds until it clears

local logs = redis.call('MGET', KEYS[1], KEYS[2])
local log, other = logs[1] or '', logs[2] or ''
if find(log) then
  return clock .. 'taken'
end
if late then
  return clock .. 'late'
end
local last = tonumber(ARGV[4])
local window, wait = full(log, 5, last)
local beside, longer = full(other, last + 1, #ARGV)
if longer > wait then
  window, wait = beside, longer
end
if window then
  return clock .. 'full ' .. window .. ' ' .. wait
end
if ARGV[3] ~= '0' then
  local first = 1 -- that a window still sees
  while first < #log and time(log, first) <= now - ARGV[3] do
    first = first + size
  end
  redis.call('SET', KEYS[1], add(string.sub(log, first)), 'PX', ARGV[3])
end
return clock .. 'taken'
